"""Finds personal data in text: addresses of mail and of people, telephone numbers, documents, cards, IPs.

What a number means cannot be seen from its digits alone, so a number is masked when its form is that of one
kind of data (an international prefix, a check digit, a grouping) or when a word before it says so. Ids of
runs, digests, times, order numbers and plain amounts have none of these forms and stay. Each pattern takes
time linear in the text: repetitions are bounded, or begin at most once in a run of characters.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping

PRIVATE = "<private>"
"""The replacement of a value whose name marks it as personal."""

_NAMES = (
    r"e-?mails?|e-?mail[-_ ]?address|phones?|phone[-_ ]?(?:number|no)|mobile(?:[-_ ]?number)?|telephone"
    r"|msisdn|wa[-_]?id|passports?|passport[-_ ]?(?:number|no|nr|id)|iban|ssn|national[-_ ]?id|tax[-_ ]?id"
    r"|birth[-_ ]?(?:date|day)|date[-_ ]?of[-_ ]?birth|dob|(?:first|last|full|given|family|maiden)[-_ ]?name"
    r"|surname|street(?:[-_ ]?address)?"
    r"|card[-_ ]?(?:number|no)|cvv|cvc"
)
_PERSONAL_NAME = re.compile(rf"(?:^|[-_.])(?:{_NAMES})$", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RECIPIENT_NAME = re.compile(r"^(?:to|cc|bcc|from|recipients?|contacts?|sender)$", re.IGNORECASE)
_BARE_NUMBER = re.compile(r"\+?\d[\d ().-]{5,18}\d")

_GAP = r"[ ().\-/\u00a0\u2011\u2013]{0,3}"
_START, _END = r"(?<![\w.+-])", r"(?![\w-]|\.\d)"
_MANY_DIGITS = re.compile(rf"\d(?:{_GAP}\d){{5}}")
_TELEPHONE_WORD = (
    r"(?:tel|telephone|telefon|phones?|mobile|mobil|handy|cell|fax|whatsapp|msisdn|wa[-_]?id)"
    r"(?:[-_ ]?(?:number|no|nr))?"
)

_NAMED = re.compile(
    rf"(?P<head>(?<![A-Za-z0-9])(?:{_NAMES})[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"'])[^\"'\n]+", re.IGNORECASE
)
_MAIL = re.compile(
    r"(?<![\w.!#$%&'*+^`{|}~-])(?<!://)[\w!#$%&'*+^`{|}~-][\w.!#$%&'*+^`{|}~-]{0,254}(?:@|%40)"
    r"(?:\w[\w-]{0,62}\.){1,8}[^\W\d_]{2,24}"
)
_MACHINE_ZONE = re.compile(r"(?<![\w.+-])[1-9]\d{7,14}(?=@(?:c\.us|g\.us|s\.whatsapp\.net)\b)")
_INTERNATIONAL = re.compile(rf"(?<![\w+])(?:\+|%2[Bb])[1-9](?:{_GAP}\d){{7,14}}(?!\d)")
_NATIONAL = re.compile(
    rf"{_START}(?:"
    r"(?:1[ .-])?(?:\([2-9]\d\d\) ?[2-9]\d\d-\d{4}|[2-9]\d\d-[2-9]\d\d-\d{4}|[2-9]\d\d\.[2-9]\d\d\.\d{4})"
    r"|0[1-9]\d{1,3}[ /-]\d{5,8}|0[1-9]\d{1,3}[ -]\d{3,4}[ -]\d{3,4}|0[1-9](?:[ .]\d\d){4}"
    r"|00 ?[1-9]\d{0,2}(?:[ -]\d{2,8}){2,5}"
    rf"){_END}"
)
_SAID_NUMBER = re.compile(
    rf"(?P<head>(?<![A-Za-z0-9]){_TELEPHONE_WORD}(?![A-Za-z0-9])[^\n\d+(]{{0,24}}|wa\.me/)"
    r"(?P<value>\(?\d[\d ().\-/]{5,18}\d)",
    re.IGNORECASE,
)
_CARD = re.compile(rf"{_START}[2-6](?:[ -]?\d){{12,18}}{_END}")
_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![a-z0-9_-])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_SAID_SSN = re.compile(r"(?P<head>\b(?:ssn|social security)\b[^\n\w]{0,6})(?P<value>\d{9})\b", re.IGNORECASE)
_NINO = re.compile(r"(?<![\w-])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d\d){3} ?[A-D](?![\w-])")
_PASSPORT = re.compile(r"(?<![\w-])(?:[A-Z]\d{7,8}|[A-Z]{2}\d{7})(?![\w-])")
_SAID_PASSPORT = re.compile(
    r"(?P<head>(?:passports?|reisepass|travel document|id card)"
    r"(?:[-_ ]?(?:no|nr|num|number|id)\b\.?)?[^\n\w]{0,6})"
    r"(?P<value>[A-Z0-9]{6,10})\b",
    re.IGNORECASE,
)
_MACHINE_READABLE = re.compile(r"(?<![A-Z0-9<])[A-Z0-9<]{28,90}(?![A-Z0-9<])")
_BORN = re.compile(
    r"(?P<head>\b(?:born(?: on)?|dob|date of birth|birth ?da(?:te|y)|geboren(?: am)?)\b[^\n\w]{0,4})"
    r"(?P<value>\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}\.? [A-Z][a-z]{2,8} \d{4})",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?<![\w.])(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", re.IGNORECASE)
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_STREET = re.compile(
    r"(?<![\w.-])\d{1,5}[A-Za-z]? (?:[A-Z][\w'-]{1,20} ){1,4}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Boulevard|Blvd|Drive|Dr|Court|Ct|Square|Terrace|Crescent)\b\.?"
    r"|(?<!\w)[A-ZÄÖÜ][\wäöüß-]{1,30}(?:straße|strasse|str\.|weg|platz|allee|gasse) \d{1,4}[a-z]?\b"
    r"|\bP\.? ?O\.? Box \d{1,6}\b"
)

_IBAN_LENGTHS: Mapping[str, int] = {
    "AD": 24,
    "AE": 23,
    "AT": 20,
    "BE": 16,
    "BG": 22,
    "CH": 21,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "EE": 20,
    "ES": 24,
    "FI": 18,
    "FR": 27,
    "GB": 22,
    "GR": 27,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IS": 26,
    "IT": 27,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "MC": 27,
    "MT": 31,
    "NL": 18,
    "NO": 15,
    "PL": 28,
    "PT": 25,
    "RO": 24,
    "SA": 24,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "TR": 26,
}


def is_personal_name(name: str) -> bool:
    """Whether a field with this name holds personal data, regardless of the form of its value."""
    return _PERSONAL_NAME.search(_HUMP.sub("_", name)) is not None


def is_recipients_number(name: str, text: str) -> bool:
    """Whether a field names a recipient and its whole value is a telephone number."""
    return _RECIPIENT_NAME.match(name) is not None and _BARE_NUMBER.fullmatch(text) is not None


def mask_personal(text: str) -> str:
    """The text with each finding replaced by its kind, such as `<phone>`."""
    if len(text) < _SHORTEST:
        return text
    if '"' in text or "'" in text:
        text = _NAMED.sub(_keep_head(PRIVATE), text)
    if "@" in text or "%40" in text:
        text = _MACHINE_ZONE.sub("<phone>", text)
        text = _MAIL.sub("<email>", text)
    if _MANY_DIGITS.search(text):
        for pattern, replace in _OF_DIGITS:
            text = pattern.sub(replace, text)
    if text.count(".") >= 3:
        text = _IPV4.sub(_ipv4, text)
    if text.count(":") >= 2:
        text = _IPV6.sub(_ipv6, text)
    for pattern, replace in _OF_WORDS:
        text = pattern.sub(replace, text)
    return text


def is_card(digits: str) -> bool:
    """Whether the digits are a card number: known first digits and a valid Luhn check digit."""
    if not 13 <= len(digits) <= 19 or not (digits[0] in "3456" or "22" <= digits[:2] <= "27"):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_SHORTEST = 6
Replace = str | Callable[["re.Match[str]"], str]


def _keep_head(mask: str) -> Callable[["re.Match[str]"], str]:
    return lambda found: found.group("head") + mask


def _card(found: "re.Match[str]") -> str:
    return "<card>" if is_card(re.sub(r"\D", "", found.group())) else found.group()


def _iban(found: "re.Match[str]") -> str:
    """Mask the account number, and keep capitals that follow it."""
    text = found.group()
    length, seen = _IBAN_LENGTHS.get(text[:2], 0), 0
    for place, character in enumerate(text):
        seen += character != " "
        if seen == length:
            account, rest = text[: place + 1].replace(" ", ""), text[place + 1 :]
            digits = "".join(str(int(each, 36)) for each in account[4:] + account[:4])
            good = int(digits) % 97 == 1 and rest[:1] in ("", " ")
            return f"<iban>{rest}" if good else text
    return text


def _said_number(found: "re.Match[str]") -> str:
    digits = sum(character.isdigit() for character in found.group("value"))
    return found.group("head") + "<phone>" if 7 <= digits <= 15 else found.group()


def _said_passport(found: "re.Match[str]") -> str:
    digits = sum(character.isdigit() for character in found.group("value"))
    return found.group("head") + "<passport>" if digits >= 3 else found.group()


def _machine_readable(found: "re.Match[str]") -> str:
    return "<passport>" if "<<" in found.group() else found.group()


def _ipv4(found: "re.Match[str]") -> str:
    """Addresses inside a network of one's own name no person, and operators need them."""
    octets = [int(octet) for octet in found.group().split(".")]
    if max(octets) > 255:
        return found.group()
    first, second = octets[0], octets[1]
    own = (
        first in (0, 10, 127)
        or first >= 224
        or (first == 100 and 64 <= second <= 127)
        or (first == 172 and 16 <= second <= 31)
        or (first, second) in ((192, 168), (169, 254))
    )
    return found.group() if own else "<ip>"


def _ipv6(found: "re.Match[str]") -> str:
    text = found.group().removesuffix(":") if not found.group().endswith("::") else found.group()
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return found.group()
    return "<ip>" + found.group()[len(text) :]


_OF_DIGITS: tuple[tuple["re.Pattern[str]", Replace], ...] = (
    (_IBAN, _iban),
    (_INTERNATIONAL, "<phone>"),
    (_CARD, _card),
    (_SAID_NUMBER, _said_number),
    (_NATIONAL, "<phone>"),
    (_SAID_SSN, _keep_head("<ssn>")),
    (_SSN, "<ssn>"),
    (_NINO, "<ssn>"),
    (_PASSPORT, "<passport>"),
)
_OF_WORDS: tuple[tuple["re.Pattern[str]", Replace], ...] = (
    (_SAID_PASSPORT, _said_passport),
    (_MACHINE_READABLE, _machine_readable),
    (_BORN, _keep_head("<date>")),
    (_STREET, "<address>"),
)
