"""Personalised mails from Liquid templates: `compile_message` for sending, `render_preview` for looking."""

from .choosing import choose_content, content_key
from .compiler import CompiledCampaign, compile_message
from .mime import File, encode_file
from .mjml import compile_mjml
from .model import (
    CampaignInfo,
    Content,
    Mails,
    OutgoingMail,
    Preview,
    Recipient,
    RenderError,
    TemplateSyntaxError,
)
from .preview import check_limits, preview_headers, render_preview
from .site import Site
from .variables import merge_variables

__all__ = [
    "CampaignInfo",
    "CompiledCampaign",
    "Content",
    "File",
    "Mails",
    "OutgoingMail",
    "Preview",
    "Recipient",
    "RenderError",
    "Site",
    "TemplateSyntaxError",
    "check_limits",
    "choose_content",
    "compile_message",
    "compile_mjml",
    "content_key",
    "encode_file",
    "merge_variables",
    "preview_headers",
    "render_preview",
]
