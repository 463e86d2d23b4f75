#!/usr/bin/python3
"""docs/tools/links.py [--outside]: every link of build/site leads somewhere.

Inside the site to a file that is there, and to an anchor that it has. A link out of it is looked at only for its form;
with --outside it is followed.
"""

import sys
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

SITE = Path("build/site").resolve()


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.links, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        for name in ("id", "name") if tag == "a" else ("id",):
            if attributes.get(name):
                self.anchors.add(attributes[name])
        for name in ("href", "src"):
            if attributes.get(name) is not None:
                self.links.append((self.getpos()[0], attributes[name]))


def inside(pages, page, link):
    """What is wrong with a link to another place of the site."""
    target, anchor = urldefrag(link)
    path = (page.parent / unquote(target)).resolve() if target else page
    if path.is_dir():
        return "leads to a folder"
    if SITE not in path.parents or not path.exists():
        return "leads nowhere"
    if anchor and anchor != "__" and path in pages and unquote(anchor) not in pages[path].anchors:
        return "has no such anchor"
    return None


def form(link):
    try:
        parts = urlsplit(link)
        fine = parts.scheme in ("http", "https") and parts.hostname and "." in parts.hostname and (parts.port or True)
    except ValueError:
        fine = False
    return None if fine else "is no address"


def follow(link):
    request = urllib.request.Request(urldefrag(link)[0], headers={"User-Agent": "holdfast-doc-links"})
    try:
        with urllib.request.urlopen(request, timeout=20):
            return None
    except (OSError, urllib.error.URLError) as problem:
        return str(problem)


def main(follows):
    pages = {path: Page(path) for path in sorted(SITE.rglob("*.html")) if path.name != "404.html"}
    count, faults, outside = 0, 0, {}
    for path, page in pages.items():
        for line, link in page.links:
            count += 1
            scheme = urlsplit(link).scheme if not link.startswith("//") else "//"
            if scheme in ("data", "javascript", "mailto"):
                problem = None
            elif scheme:
                outside.setdefault(link, f"{path.relative_to(SITE)}:{line}")
                problem = form(link)
            else:
                problem = inside(pages, path, link)
            if problem:
                faults += 1
                print(f"{path.relative_to(SITE)}:{line}: {link} {problem}")
    if follows:
        for link, where in sorted(outside.items()):
            problem = follow(link)
            if problem:
                faults += 1
                print(f"{where}: {link}: {problem}")
    print(f"{len(pages)} pages, {count} links, {len(outside)} addresses elsewhere"
          f"{' followed' if follows else ''}, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main("--outside" in sys.argv[1:]))
