"""Traces of use that name a person: network address, user agent, device."""

import ipaddress
import re

from vault.fields import mask, read
from vault.fields.rule import FieldType, Refused

_DEVICE = re.compile(r"[A-Za-z0-9._:{}-]{4,128}")
_AGENT_CAP = 512


def _ip_address(value: object) -> str:
    clean = read.ascii_text(value)
    found = _parse(clean) if len(clean) <= 45 and "%" not in clean else None
    if found is None:
        raise Refused("format")
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _parse(clean: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(clean)
    except ValueError:  # its text quotes the input
        return None


def _user_agent(value: object) -> str:
    return read.line(value, cap=_AGENT_CAP)


def _device_id(value: object) -> str:
    return read.matching(_DEVICE, read.ascii_text(value)).string


def _mask_ip(address: str) -> str:
    if ":" not in address:
        return ".".join([*address.split(".")[:2], mask.HIDDEN])
    groups = ipaddress.IPv6Address(address).exploded.split(":")
    return f"{int(groups[0], 16):x}:{int(groups[1], 16):x}:{mask.HIDDEN}"


TYPES = (
    FieldType(
        name="ip_address",
        field_class="usage",
        title="IP address",
        read=_ip_address,
        conceal=mask.of_text(_mask_ip),
        example="203.0.113.7",
        normalisation="IPv4 dotted; IPv6 as RFC 5952; an IPv4 address inside IPv6 becomes IPv4",
        validation="one address: no prefix length, zone or leading zeros",
        masking="first 16 bits of IPv4, first 32 of IPv6",
        source="Python's ipaddress",
    ),
    FieldType(
        name="user_agent",
        field_class="usage",
        title="User agent",
        read=_user_agent,
        conceal=mask.of_text(mask.hide),
        example="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        normalisation="NFC, white space collapsed",
        validation="1–512 printable characters",
        masking="nothing is shown",
        source="ours",
    ),
    FieldType(
        name="device_id",
        field_class="usage",
        title="Device identifier",
        read=_device_id,
        conceal=mask.of_text(mask.last_four),
        example="38400000-8cf0-11bd-b23e-10b96e40000d",
        normalisation="trimmed; case kept: identifiers are opaque",
        validation="4–128 of letters, digits and . _ : - { }",
        masking="last four characters (nothing below nine)",
        source="ours",
    ),
)
