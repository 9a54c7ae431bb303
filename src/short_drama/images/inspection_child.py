"""The process in which a stranger's manifest is read; a program, which `inspector` starts.

It reads a line of JSON and then a picture from its standard input, writes a JSON object about the
manifest to its standard output, and ends. The kernel keeps it within the limits of
`decoder_child`.
"""

import json
import sys
import warnings

from short_drama.images import manifest
from short_drama.images.decoder_child import allow_one_more, be_modest


def main() -> None:
    warnings.simplefilter("ignore")
    be_modest()
    allow_one_more()
    asked = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    found = manifest.read(data, asked["content_type"], trusted=asked["trusted"])
    sys.stdout.write(json.dumps(found.to_json()))


if __name__ == "__main__":
    main()
