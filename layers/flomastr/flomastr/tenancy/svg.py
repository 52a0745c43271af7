"""SVG that is safe in a page: parsed without entities, and written anew from harmless elements and attributes.

Its ids have a prefix that follows from the picture, so that it neither takes nor shows an element of the page.
"""

import re
from hashlib import sha256
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

MAX_BYTES = 200_000
MAX_DEPTH = 100
GRADIENTS = {"linearGradient", "radialGradient"}
APPLIED = {"mask", "clipPath", "pattern"}
MAX_USES = 20  # of which one can draw the next twice
NAMESPACE = "{http://www.w3.org/2000/svg}"

ELEMENTS = set(
    "svg g defs symbol use title desc path rect circle ellipse line polyline polygon text tspan linearGradient"
    " radialGradient stop clipPath mask pattern".split()
)
ATTRIBUTES = set(
    "id viewBox preserveAspectRatio width height x y x1 y1 x2 y2 cx cy r rx ry fx fy d points transform fill"
    " fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-miterlimit"
    " stroke-dasharray stroke-dashoffset opacity color stop-color stop-opacity offset gradientUnits gradientTransform"
    " spreadMethod clip-path clip-rule clipPathUnits mask maskUnits maskContentUnits patternUnits patternContentUnits"
    " patternTransform font-family font-size font-weight font-style text-anchor dominant-baseline letter-spacing"
    " dx dy rotate role aria-label aria-labelledby aria-describedby aria-hidden href".split()
)
LISTS = {"aria-labelledby", "aria-describedby"}  # of ids, spaces between
PREFIX = re.compile(r"logo-[0-9a-f]{12}-")
INSIDE = re.compile(r"#[\w.-]+")
REFERENCE = re.compile(r"url\(\s*(['\"]?)#[\w.-]+\1\s*\)")
REFERRED = re.compile(r"(?:^|url\(\s*['\"]?)#([\w.-]+)")
REACHES_OUT = re.compile(r"(?:url|src|image|set)\s*\(|:|//|\\|&|expression", re.IGNORECASE)


def sanitised(text: str) -> str:
    """The picture without script, style, links and anything else active. Raises ValueError for what is no SVG."""
    try:
        root: Element = fromstring(PREFIX.sub("", bounded(text)))  # which a picture has that was here before
    except (ParseError, DefusedXmlException):
        raise ValueError("is no SVG that can be read: send well-formed XML that declares no entities") from None
    if root.tag != NAMESPACE + "svg":
        raise ValueError('is no SVG: its root is not <svg xmlns="http://www.w3.org/2000/svg">')
    if sum(local(element.tag) == "use" for element in root.iter()) > MAX_USES:
        raise ValueError(f"holds more than {MAX_USES} <use>")
    drawn = {element.get("id", "") for element in root.iter() if local(element.tag) not in GRADIENTS}
    harmless = prefixed(kept(root, 0, drawn, False), "")
    prefix = f"logo-{sha256(tostring(harmless)).hexdigest()[:12]}-"
    picture: str = tostring(prefixed(harmless, prefix), "unicode")
    return bounded(picture.replace("\r", "&#13;"))  # which else is read as a new line


def bounded(text: str) -> str:
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES:,} bytes")
    return text


def kept(element: Element, depth: int, drawn: set[str], applied: bool) -> Element:
    """Within what is applied to other elements only gradients are referred to: a chain would double at each link."""
    if depth > MAX_DEPTH:
        raise ValueError("is nested too deeply")
    name = local(element.tag)
    applied = applied or name in APPLIED
    copy = Element(name, {"xmlns": NAMESPACE[1:-1]} if depth == 0 else {})
    attributes = {local(key): value for key, value in element.attrib.items()}
    attributes |= declared(attributes.get("style", ""))
    for key, value in attributes.items():
        if is_harmless(key, value) and not (applied and drawn.intersection(REFERRED.findall(value))):
            copy.set(key, value)
    add_text(copy, element.text)
    for child in element:
        if child.tag.startswith(NAMESPACE) and local(child.tag) in ELEMENTS:
            copy.append(kept(child, depth + 1, drawn, applied))
        add_text(copy, child.tail)
    return copy


def prefixed(picture: Element, prefix: str) -> Element:
    """The picture, its ids and what refers to them changed."""
    for element in picture.iter():
        for key, value in element.items():
            element.set(key, renamed(key, value, prefix))
    return picture


def renamed(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return prefix + value
    if key in LISTS:
        return " ".join(prefix + name for name in value.split())
    if key == "href":
        return f"#{prefix}{value[1:]}"
    return value if key == "aria-label" else REFERENCE.sub(lambda found: found[0].replace("#", f"#{prefix}", 1), value)


def add_text(element: Element, text: str | None) -> None:
    """After what the element holds so far."""
    if len(element):
        element[-1].tail = (element[-1].tail or "") + (text or "")
    else:
        element.text = (element.text or "") + (text or "")


def declared(style: str) -> dict[str, str]:
    """`fill:red;stroke:none` as the attributes that it stands for, and goes before."""
    pairs = (declaration.partition(":") for declaration in style.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if value.strip()}


def local(name: str) -> str:
    return name.rpartition("}")[2]


def is_harmless(name: str, value: str) -> bool:
    """What is kept refers to nothing outside the picture."""
    if name not in ATTRIBUTES:
        return False
    if name == "href":
        return bool(INSIDE.fullmatch(value))
    if name == "aria-label":
        return True
    return not REACHES_OUT.search(REFERENCE.sub("", value))
