from __future__ import annotations

from airflow_emrs_ext.plugin.pages import Alternative, page


def test_a_page_shows_text_and_never_markup_of_others() -> None:
    html = page(
        "A <b> title",
        "<script>alert(1)</script>",
        [Alternative('"><i>', 'x"onclick="y', "x"), Alternative("<u>", "/", "y", "<s>")],
        again_after=5,
    )
    assert "A &lt;b&gt; title" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<p><b>&lt;u&gt;:</b> &lt;s&gt;</p>" in html
    assert "<script" not in html
    assert '"onclick' not in html
    assert 'content="5"' in html


def test_a_page_without_another_try_does_not_load_itself() -> None:
    html = page("Title", "Text", [])
    assert "refresh" not in html
    assert "<nav>" not in html
    assert "color-scheme: light dark" in html
