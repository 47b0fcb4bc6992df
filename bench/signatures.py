"""DKIM signatures of a 4 KB message on one core, beside the bare ones of `openssl speed` in the same run.

    .venv/bin/python -m bench.signatures

CPU microseconds of the whole signature (canonicalisation, hashes, signature, header field), the best of five rounds,
and its ratio to openssl's: 1 would be no work beside the signature itself.
"""

import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from bench.openssl import openssl_signatures
from bench.send import BODY, SUBJECT
from sendmill.content.compile import Recipient, compile_message
from sendmill.delivery.dkim import Signer

COUNT = 1_000


def main() -> None:
    """Measure both algorithms."""
    recipient = Recipient("Jürgen Groß 1", "person1@bench.example", {"city": "Köln", "discount": "3 %"})
    compiled = compile_message(SUBJECT, BODY, "from@bench.example")
    message = compiled.render(recipient, "1@bench.example", "Mon, 23 Nov 2026 12:00:00 +0000")
    keys = {
        "rsa2048": generate_private_key(public_exponent=65537, key_size=2048),
        "ed25519": Ed25519PrivateKey.generate(),
    }
    for algorithm, key in keys.items():
        ours = microseconds(Signer("bench.example", "bench", key), message)
        bare = 1e6 / openssl_signatures(algorithm)
        print(f"{algorithm}: {ours:6.1f} µs, openssl alone {bare:6.1f} µs, ratio {bare / ours:.2f}")


def microseconds(signer: Signer, message: bytes) -> float:
    """CPU of one signature."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(COUNT):
            signer.sign(message)
        best = min(best, time.process_time() - began)
    return best / COUNT * 1e6


if __name__ == "__main__":
    main()
