"""What MkDocs is told of docs/ beyond mkdocs.yml.

A page may link to any file of the repository, as it is read there; in the site such a file is a page of its own.
"""

import posixpath
import re
import shutil
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
MADE = ROOT / "build" / "site-source"  # the pages that are made of files outside docs/
UNPUBLISHED = "tools/"  # of docs/: the site is made with it, and it is no part of it
PUBLISHED = {"tools/favicon.svg", "tools/search.js", "tools/site.css"}
FIRST = "".join(f"[](../{name}.md)" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY"))  # in any case
LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
LANGUAGES = {".lua": "lua", ".sh": "sh", ".c": "c", ".h": "c", ".py": "python", ".conf": "nginx", ".json": "json"}


def outside_code(text, change):
    """The text with `change` made of all that is not in a fence."""
    pieces = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(piece if piece.startswith("```") else change(piece) for piece in pieces)


def original_of(source):
    """The path in the repository of what has this path in the site."""
    return re.sub(r"\.md$", "", source[len("source/"):]) if source.startswith("source/") else f"docs/{source}"


def is_page(path):
    """Whether a path in the repository is part of the site as it is."""
    return path.startswith("docs/") and not path.startswith(f"docs/{UNPUBLISHED}")


def place_of(path):
    """The path in the site of a path in the repository."""
    if is_page(path):
        return path[len("docs/"):]
    return f"source/{path}" if path.endswith((".svg", ".png")) else f"source/{path}.md"


def follow(source, text):
    """The text with its links as the site has them, and the files of the repository that they lead to."""
    folder, found = posixpath.dirname(original_of(source)), []

    def put(match):
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target.startswith("..") or not (ROOT / target).exists():
            return match[0]  # for MkDocs to complain of
        found.append(target)
        return match[1] + posixpath.relpath(place_of(target), posixpath.dirname(source)) + match[3]

    return outside_code(text, lambda piece: LINK.sub(put, piece)), found


def shown(path):
    """A file of the repository as a page."""
    file = ROOT / path
    if path.endswith(".md"):
        return file.read_text(encoding="utf-8")
    inside = sorted(file.iterdir()) if file.is_dir() else [file]
    text = f"# {path}\n"
    for each in filter(Path.is_file, inside):
        title = f"\n## {each.name}\n" if file.is_dir() else ""
        code = each.read_text(encoding="utf-8")
        first = code.split("\n", 1)[0]
        language = LANGUAGES.get(each.suffix) or ("lua" if "lua" in first and "#!" in first else "text")
        text += f"{title}\n````{language}\n{code}````\n"
    return text


def on_files(files, config):
    for file in list(files):
        if file.src_uri.startswith(UNPUBLISHED) and file.src_uri not in PUBLISHED:
            files.remove(file)
    shutil.rmtree(MADE, ignore_errors=True)
    waiting = [(page.src_uri, Path(page.abs_src_path).read_text(encoding="utf-8")) for page in files.documentation_pages()]
    waiting.append(("index.md", FIRST))
    known = set()
    while waiting:
        for path in follow(*waiting.pop())[1]:
            if path in known or is_page(path):
                continue
            known.add(path)
            source = place_of(path)
            made = MADE / source
            made.parent.mkdir(parents=True, exist_ok=True)
            if source.endswith(".md"):
                made.write_text(shown(path), encoding="utf-8")
                waiting.append((source, shown(path) if path.endswith(".md") else ""))
            else:
                shutil.copy(ROOT / path, made)
            files.append(File(source, str(MADE), config["site_dir"], use_directory_urls=False))
    return files


def on_page_markdown(markdown, page, config, files):
    if page.file.src_uri.startswith("source/") and not original_of(page.file.src_uri).endswith(".md"):
        return markdown
    return follow(page.file.src_uri, markdown)[0]


def on_nav(nav, config, files):
    """Every page of docs/ has a place in the contents."""
    lost = {file.src_uri for file in files.documentation_pages()} - {page.file.src_uri for page in nav.pages}
    lost = sorted(source for source in lost if not source.startswith("source/"))
    if lost:
        raise PluginError(f"not in the nav of docs/tools/mkdocs.yml: {', '.join(lost)}")
    return nav


def on_post_build(config):
    """What is searched, as a script: a page that was opened as a file may read no other."""
    folder = Path(config["site_dir"]) / "search"
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __search = {{ index: Promise.resolve({index}) }};\n", encoding="utf-8")
