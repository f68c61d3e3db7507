"""How the page looks: fonts, colours, and what tells screen readers of changes."""

from __future__ import annotations

from gradio import themes

SYSTEM_FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "Noto Sans CJK SC",
    "PingFang SC",
    "Microsoft YaHei",
    "sans-serif",
)
# Tells screen readers what changes and which language the page is in. Gradio adds it once the page is there.
HEAD = """<script>
(() => {
  const look = () => {
    const status = document.querySelector("#status");
    if (status && !status.hasAttribute("aria-live")) {
      status.setAttribute("role", "status");
      status.setAttribute("aria-live", "polite");
    }
    const chosen = document.querySelector("#language input:checked");
    const root = document.documentElement;
    if (chosen && root.lang !== chosen.value) root.lang = chosen.value;
  };
  new MutationObserver(look).observe(document.documentElement, {childList: true, subtree: true});
  document.addEventListener("change", look);
})();
</script>"""


def theme() -> themes.Base:
    """System fonts, so that nothing is fetched, and colours with a contrast of 4.5:1 or more."""
    theme = themes.Default(
        primary_hue="teal", neutral_hue="slate", font=SYSTEM_FONTS, font_mono=("ui-monospace", "monospace")
    )
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        button_cancel_background_fill="#b91c1c",
        button_cancel_background_fill_dark="#b91c1c",
        button_cancel_background_fill_hover="#991b1b",
        button_cancel_background_fill_hover_dark="#991b1b",
        button_cancel_text_color="white",
        button_cancel_text_color_dark="white",
    )
