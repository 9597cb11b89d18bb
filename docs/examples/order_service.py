#!/usr/bin/env python3
"""Prints the codes that confirm a payment, as an order service shows them to the customer.

MERCHANT_OTP_TOKEN has an access token of the instance; the scope `readonly` suffices.
Usage: order_service.py https://otp.example.com/instances/cafe till-1 EUR:1.50 [PAID_AT]
"""

import json
import os
import sys
import time
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen


def codes(base, token, device, amount, paid_at):
    """Five codes, the earliest first; the device shows one of them. None if it has no codes."""
    query = urlencode({"faketime": paid_at, "price": amount})
    url = f"{base}/private/otp-devices/{quote(device, safe='')}?{query}"
    request = Request(url, headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer).get("otp_code")


if __name__ == "__main__":
    base, device, amount, *paid_at = sys.argv[1:]
    paid_at = int(paid_at[0]) if paid_at else int(time.time())
    confirmation = codes(base, os.environ["MERCHANT_OTP_TOKEN"], device, amount, paid_at)
    print(confirmation or "this device confirms no payments")
