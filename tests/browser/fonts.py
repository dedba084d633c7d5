"""The sans-serif fonts that people read pages in, one at a time.

A page names many fonts, of which a machine has one or two. Here a browser finds one of `FONTS` and no other,
so that a page is laid out on every machine as it is where people have that one.
"""

from __future__ import annotations

from pathlib import Path

FONTS = ("DejaVu Sans", "Noto Sans", "Liberation Sans")
"""A wide one, a tall one, and one that is as wide as Arial and Helvetica."""
ARABIC = "Noto Sans Arabic"
"""Found as well, for the letters that not all of them have."""

CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include>/etc/fonts/fonts.conf</include>
  <selectfont>
    <acceptfont>
      <pattern><patelt name="family"><string>{font}</string></patelt></pattern>
      <pattern><patelt name="family"><string>{arabic}</string></patelt></pattern>
    </acceptfont>
    <rejectfont>
      <pattern><patelt name="scalable"><bool>true</bool></patelt></pattern>
      <pattern><patelt name="scalable"><bool>false</bool></patelt></pattern>
    </rejectfont>
  </selectfont>
</fontconfig>
"""


def environment(font: str, folder: Path) -> dict[str, str]:
    """The variable that shows a browser this font alone, by a file in this folder."""
    file = folder / "fonts.conf"
    file.write_text(CONFIGURATION.format(font=font, arabic=ARABIC))
    return {"FONTCONFIG_FILE": str(file)}
