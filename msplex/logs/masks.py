"""What must not stand in a log, whoever writes the line."""

import logging
import re

LINK = re.compile(r"(/links/[a-z-]+/)[^/\s]+")


class MaskLinks(logging.Filter):
    """The token of a link is good until it is used, and a page that has to be mended is logged with its address."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        masked = LINK.sub(r"\1...", message)
        if masked != message:
            record.msg, record.args = masked, ()
        return True
