"""What MkDocs is told of docs/ beyond mkdocs.yml."""

from pathlib import Path

FOLDER = "tools/"  # of docs/: the site is made with it, and it is no part of it
PUBLISHED = {"tools/favicon.svg", "tools/site.css"}


def on_files(files, config):
    for file in list(files):
        if file.src_uri.startswith(FOLDER) and file.src_uri not in PUBLISHED:
            files.remove(file)
    return files


def on_config(config):
    """Leaves out of the contents what has not been written yet."""
    folder = Path(config["docs_dir"])

    def there(entries):
        for entry in entries:
            if isinstance(entry, str):
                if (folder / entry).exists():
                    yield entry
            else:
                title, inside = next(iter(entry.items()))
                if isinstance(inside, str):
                    if (folder / inside).exists():
                        yield entry
                elif inside := list(there(inside)):
                    yield {title: inside}

    config["nav"] = list(there(config["nav"]))
    return config
