"""Gradio's theme in Tunefork's colours. The colours themselves are CSS variables in `assets/theme.css`."""

from __future__ import annotations

import inspect

import gradio as gr

PINE = gr.themes.Color(
    name="pine", c50="#eef6f2", c100="#d9ece3", c200="#b6d9c9", c300="#8cc2ab", c400="#5fc39d", c500="#2f8a6a",
    c600="#1f6f54", c700="#195b45", c800="#164838", c900="#123a2e", c950="#0a231b",
)  # fmt: skip
STONE = gr.themes.Color(
    name="stone", c50="#f7f7f4", c100="#eef0ea", c200="#e3e5df", c300="#cdd2cb", c400="#98a29d", c500="#66706c",
    c600="#4b5551", c700="#2c3330", c800="#232927", c900="#1b201e", c950="#141816",
)  # fmt: skip
FONT = ["system-ui", "-apple-system", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC",
        "Roboto", "sans-serif"]  # fmt: skip
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "Noto Sans Mono CJK SC",
        "Noto Sans SC", "monospace"]  # fmt: skip

COLOURS = {
    "body_background_fill": "ground", "body_text_color": "ink", "body_text_color_subdued": "dim",
    "background_fill_primary": "card", "background_fill_secondary": "soft",
    "border_color_primary": "line", "border_color_accent": "pine", "border_color_accent_subdued": "line",
    "color_accent": "pine", "color_accent_soft": "pine-tint", "link_text_color": "pine",
    "link_text_color_hover": "pine", "link_text_color_active": "pine", "link_text_color_visited": "pine",
    "code_background_fill": "soft", "loader_color": "pine", "slider_color": "pine", "stat_background_fill": "pine",
    "block_background_fill": "card", "block_border_color": "line", "block_info_text_color": "dim",
    "block_label_background_fill": "card", "block_label_border_color": "line", "block_label_text_color": "dim",
    "block_title_text_color": "dim", "panel_background_fill": "card", "panel_border_color": "line",
    "accordion_text_color": "dim", "table_border_color": "line", "table_even_background_fill": "card",
    "table_odd_background_fill": "card", "table_row_focus": "soft",
    "input_background_fill": "ground", "input_background_fill_focus": "ground", "input_border_color": "line",
    "input_border_color_focus": "pine", "input_border_color_hover": "line", "input_placeholder_color": "dim",
    "checkbox_background_color": "ground", "checkbox_background_color_focus": "ground",
    "checkbox_background_color_hover": "soft", "checkbox_background_color_selected": "pine",
    "checkbox_border_color": "edge", "checkbox_border_color_focus": "pine", "checkbox_border_color_hover": "pine",
    "checkbox_border_color_selected": "pine", "checkbox_label_background_fill": "card",
    "checkbox_label_background_fill_hover": "soft", "checkbox_label_background_fill_selected": "soft",
    "checkbox_label_border_color": "line", "checkbox_label_border_color_hover": "line",
    "checkbox_label_border_color_selected": "line", "checkbox_label_text_color": "ink",
    "checkbox_label_text_color_selected": "ink",
    "button_primary_background_fill": "pine", "button_primary_background_fill_hover": "pine-strong",
    "button_primary_border_color": "pine", "button_primary_border_color_hover": "pine-strong",
    "button_primary_text_color": "on-pine", "button_primary_text_color_hover": "on-pine",
    "button_secondary_background_fill": "card", "button_secondary_background_fill_hover": "soft",
    "button_secondary_border_color": "line", "button_secondary_border_color_hover": "line",
    "button_secondary_text_color": "ink", "button_secondary_text_color_hover": "ink",
    "button_cancel_background_fill": "card", "button_cancel_background_fill_hover": "soft",
    "button_cancel_border_color": "line", "button_cancel_border_color_hover": "red",
    "button_cancel_text_color": "red", "button_cancel_text_color_hover": "red",
    "error_background_fill": "card", "error_border_color": "line", "error_text_color": "red", "error_icon_color": "red",
}  # fmt: skip
PLAIN = {
    "shadow_drop": "none", "shadow_drop_lg": "none", "shadow_inset": "none", "shadow_spread": "0px",
    "block_shadow": "none", "input_shadow": "none", "input_shadow_focus": "none", "checkbox_shadow": "none",
    "checkbox_label_shadow": "none", "button_primary_shadow": "none", "button_secondary_shadow": "none",
    "button_primary_shadow_hover": "none", "button_secondary_shadow_hover": "none",
    "button_primary_shadow_active": "none", "button_secondary_shadow_active": "none",
    "block_border_width": "1px", "input_border_width": "1px", "checkbox_border_width": "1px",
    "checkbox_label_border_width": "1px", "button_border_width": "1px", "panel_border_width": "1px",
    "block_radius": "10px", "container_radius": "10px", "input_radius": "7px", "checkbox_border_radius": "4px",
    "button_large_radius": "8px", "button_medium_radius": "8px", "button_small_radius": "7px", "table_radius": "8px",
    "block_title_text_weight": "400", "block_title_text_size": "12.5px", "block_info_text_size": "12px",
    "block_label_text_size": "12.5px", "block_label_text_weight": "400", "block_padding": "0", "layout_gap": "14px",
    "form_gap_width": "0px", "section_header_text_weight": "600", "input_text_size": "14px",
    "input_padding": "8px 10px",
    "button_large_text_weight": "500", "button_large_text_size": "14px", "button_large_padding": "9px 18px",
    "button_medium_padding": "7px 14px", "button_small_padding": "4px 11px", "button_small_text_size": "12.5px",
    "button_small_text_weight": "400", "button_medium_text_weight": "500",
    "button_transition": "background-color 0.15s",
}  # fmt: skip


def theme() -> gr.themes.Base:
    """Calm: one border weight, no shadows, system fonts, nothing fetched from outside."""
    base = gr.themes.Base(
        primary_hue=PINE, secondary_hue=PINE, neutral_hue=STONE, text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md, radius_size=gr.themes.sizes.radius_md, font=FONT, font_mono=MONO,
    )  # fmt: skip
    known = set(inspect.signature(base.set).parameters)
    wanted = {name: f"var(--tf-{colour})" for name, colour in COLOURS.items()} | PLAIN
    both = {f"{name}{suffix}": value for name, value in wanted.items() for suffix in ("", "_dark")}
    return base.set(**{name: value for name, value in both.items() if name in known})
