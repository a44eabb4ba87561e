"""Asks nightshift to score a day of transactions, and prints the job. Needs nats-py."""

import asyncio
import json
import os
import sys

import nats

REQUEST = {
    "queue": "fraud",
    "input": ["s3://transactions/2026-11-20/*.jsonl"],
    "key": "id",
    "within": "5h",
    "idempotencyKey": "fraud-2026-11-20",
}


async def main() -> None:
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), connect_timeout=5)
    try:
        answer = await client.request("nightshift.v1.default.jobs.submit", json.dumps(REQUEST).encode(), timeout=30)
    finally:
        await client.close()
    result = json.loads(answer.data)
    if "error" in result:
        sys.exit(f"{result['error']['code']}: {result['error']['message']}")
    print(result["job"]["id"], result["job"]["state"])


if __name__ == "__main__":
    asyncio.run(main())
