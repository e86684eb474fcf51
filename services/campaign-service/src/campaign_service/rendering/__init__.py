"""Personalised mails from Liquid templates: `compile_message` for sending, `render_preview` for looking."""

from .compiler import CompiledCampaign, compile_message
from .model import CampaignInfo, Content, OutgoingMail, Preview, Recipient, RenderError, TemplateSyntaxError
from .preview import render_preview
from .site import Site
from .variables import merge_variables

__all__ = [
    "CampaignInfo",
    "CompiledCampaign",
    "Content",
    "OutgoingMail",
    "Preview",
    "Recipient",
    "RenderError",
    "Site",
    "TemplateSyntaxError",
    "compile_message",
    "merge_variables",
    "render_preview",
]
