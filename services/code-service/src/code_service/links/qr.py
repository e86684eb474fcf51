"""QR codes."""

from __future__ import annotations

import io
from typing import Literal

import segno
from fastapi import Response

_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
_BORDER = 4  # modules: what ISO/IEC 18004 asks for


def qr_response(content: str, kind: Literal["svg", "png"], scale: int) -> Response:
    """A picture of `content`, `scale` pixels a module, with medium error correction."""
    out = io.BytesIO()
    segno.make(content, error="m", micro=False).save(out, kind=kind, scale=scale, border=_BORDER)
    return Response(
        out.getvalue(), media_type=_TYPES[kind], headers={"Cache-Control": "private, max-age=86400"}
    )
