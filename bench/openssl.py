"""The yardstick of DKIM: signatures that `openssl speed` makes."""

import subprocess


def openssl_signatures(algorithm: str, processes: int = 1) -> float:
    """Signatures a second that `openssl speed` makes in so many processes at once."""
    command = ["openssl", "speed", "-seconds", "3", "-multi", str(processes), algorithm]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # "rsa 2048 bits 0.000289s 0.000008s 3458.4 129870.1": signatures a second is the column before the last.
    return float(printed.splitlines()[-1].split()[-2])
