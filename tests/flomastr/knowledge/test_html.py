"""Pages of HTML: nothing that a reader can get to is lost, and no word is parted or joined."""

from pathlib import Path

import pytest

from flomastr.knowledge.html import markdown_of, title_of
from tests.support.kb_client import KnowledgeClient

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<form><p>Money goes back</p></form>", "Money goes back"),
        ("<form><label>Order</label><select><option>Parcel</select><button>Send</button></form>", "Parcel"),
        ("<nav><ul><li>Opening hours</ul></nav><p>x", "Opening hours"),
        ("<header>Acme</header><footer>Imprint</footer><aside>See also</aside>", "Imprint"),
        ("<details><summary>How long?</summary>Thirty days</details>", "Thirty days"),
        ("<div hidden>Thirty days</div>", "Thirty days"),
        ("<div style='display:none'>Thirty days</div>", "Thirty days"),
        ("<div style='visibility: hidden'>Thirty days</div>", "Thirty days"),
        ("<div aria-hidden=true>Thirty days</div>", "Thirty days"),
        ("<img src=a.png alt='A chart of refunds'>", "A chart of refunds"),
        ("<img src='data:image/png;base64,AAAA' alt='A chart of refunds'>", "A chart of refunds"),
        ("<p>10<sup>6</sup> rows", "10^6^ rows"),
        ("<p>H<sub>2</sub>O", "H~2~O"),
        ("<p>warranty<sup>1</sup>", "warranty^1^"),
        ("<p><![CDATA[a < b & refund]]></p>", "a < b & refund"),
        ("<![CDATA[one]]><p>two</p><![CDATA[three", "one"),
        ("<p><b>W</b>arranty", "Warranty"),
        ("<p>re<em>fun</em>d", "refund"),
        ("<p>refund<strong>able</strong>", "refundable"),
        ("<p>Write rowspan=2 in a cell", "Write rowspan=2 in a cell"),
        ("<p>a < b and c > d", "a < b and c > d"),
        ("<abbr title='World Health Organization'>WHO</abbr>", "World Health Organization"),
        ("<dialog>Accept</dialog>", "Accept"),
        ("<textarea>Dear shop</textarea>", "Dear shop"),
        ("<noscript>Call us</noscript>", "Call us"),
    ],
)
def test_what_a_page_says_is_kept(page: str, words: str) -> None:
    assert words in markdown_of(page)


@pytest.mark.parametrize(
    "secret", ["<script>x</script>", "<style>x</style>", "<input type=hidden value=x>", "<!--x-->"]
)
def test_what_nobody_reads_is_not(secret: str) -> None:
    assert markdown_of(f"<p>a</p>{secret}<p>b</p>").split() == ["a", "b"]


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>Refunds &amp; returns</title>", "Refunds & returns"),
        ("<html><head><TITLE lang=en>\n Refunds\n</TITLE></head>", "Refunds"),
        ("<title></title><p>x", None),
        ("<p>x", None),
        ("<title>never closed", None),
        ("<svg><title>An icon</title></svg><title>Refunds</title>", "Refunds"),
        ("<svg/><svg><svg><title>An icon</title></svg></svg>", None),
    ],
)
def test_a_page_has_a_title(page: str, title: str | None) -> None:
    assert title_of(page) == title


def test_a_cell_of_several_rows_or_columns_keeps_the_others_in_theirs() -> None:
    page = (
        "<table><tr><th>Land<th colspan=2>Price<th>Note<tr><td rowspan='2'>DE<td>1<td>2<td>a<tr><td>3<td>4<td>b</table>"
    )
    assert markdown_of(page).splitlines() == [
        "| Land | Price | | Note |",
        "| --- | --- | --- | --- |",
        "| DE | 1 | 2 | a |",
        "|  | 3 | 4 | b |",
    ]


def test_cells_are_not_repeated_a_thousand_times_and_not_padded() -> None:
    head, *_ = markdown_of("<table><tr><th colspan=1000 rowspan='9999'>A<th title='>'>B<tr><td>a</table>").splitlines()
    assert head == "| A |" + 9 * " |" + " B |"
    page = (DATA / "table-padding-700-rows.html").read_text()
    assert len(markdown_of(page)) < len(page)


@pytest.mark.parametrize(
    ("file", "query", "title"),
    [
        ("html-nav.html", "opening hours refund desk", None),
        ("html-sup.html", "limit 10 6 rows warranty", None),
        ("html-title.html", "refund policy 2026 thirty days", "Refund policy 2026"),
        ("whole-page-in-form.html", "money goes back within five days", None),
        ("table-padding-700-rows.html", "SKU699", None),
    ],
)
def test_collected_pages_are_found(kb: KnowledgeClient, file: str, query: str, title: str | None) -> None:
    assert kb.put(file, (DATA / file).read_text(), content_type="html")["title"] == title
    assert kb.find(query, mode="text")[0]["score"] == 1
    if title:
        assert kb.put(file, (DATA / file).read_text(), content_type="html", title="Mine")["title"] == "Mine"
