"""What `mkdocs build` does beside rendering: files of the repository, public names, and no foreign address.

A notebook becomes a page with what its cells showed when they were executed, and can be downloaded from there.

The pages are written to be read on a code host too, so they link to files outside docs/. The site carries these files
along: a page of Markdown as a page, everything else as text.
"""

from __future__ import annotations

import ast
import base64
import html
import json
import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
CARRIED = "repository/"
LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(?=[)#])")
PUBLIC_NAMES = "<!-- every public name -->"
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preconnect)[^>]*\bhref=["']?(?:https?:)?//"""
)


def in_repository(uri: str, link: str) -> str:
    """The path from the repository's root that a link leads to, which stands in the page of that place in the site."""
    origin = uri.removeprefix(CARRIED) if uri.startswith(CARRIED) else f"docs/{uri}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def in_site(path: str) -> str:
    """The place in the site of a file of the repository."""
    if path.startswith("docs/") and path.endswith(".ipynb"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"{CARRIED}{path}" if path.endswith((".md", ".png")) else f"{CARRIED}{path}.txt"


def on_files(files, config):
    """Adds the pages of notebooks, every file of the repository that a page links to, and those that these link to."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        for uri, content in notebook_page(notebook.src_uri, json.loads(notebook.content_string)).items():
            files.append(File.generated(config, uri, content=content))
    waiting = [file for file in files if file.src_uri.endswith(".md")]
    while waiting:
        page = waiting.pop()
        for link in LINK.findall(page.content_string):
            path = in_repository(page.src_uri, link)
            uri = in_site(path)
            if not uri.startswith(CARRIED) or files.get_file_from_path(uri) or not (ROOT / path).is_file():
                continue
            added = File.generated(config, uri, content=(ROOT / path).read_bytes())
            files.append(added)
            if uri.endswith(".md"):
                waiting.append(added)
    return files


def notebook_page(uri, notebook):
    """The page of a notebook and its pictures, by their place in the site."""
    name = posixpath.basename(uri)
    stem, files, parts = uri.removesuffix(".ipynb"), {}, []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = {"text/plain": output["text"]} if output["output_type"] == "stream" else output["data"]
            if "image/png" in data:
                picture = f"{stem}-{len(files)}.png"
                files[picture] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![what the cell draws]({posixpath.basename(picture)})")
            elif "text/html" in data:
                parts.append(f'<div class="shown">{"".join(data["text/html"])}</div>')
            else:
                parts.append(f'<pre class="shown"><code>{html.escape("".join(data["text/plain"]))}</code></pre>')
    title, _, rest = parts[0].partition("\n")
    download = f'<p><a href="{name}" download>Download this notebook</a></p>'
    return {f"{stem}.md": "\n\n".join([title, download, rest, *parts[1:]]), **files}


def on_page_markdown(markdown, page, **_):
    """Links lead to what the site has; the page of public names gets them."""
    uri = page.file.src_uri

    def moved(match):
        return posixpath.relpath(in_site(in_repository(uri, match[1])), posixpath.dirname(uri) or ".")

    markdown = LINK.sub(moved, markdown)
    return markdown.replace(PUBLIC_NAMES, public_names()) if PUBLIC_NAMES in markdown else markdown


def public_names() -> str:
    """A directive of mkdocstrings for every name of the table that `import ssdp_hw` reads."""
    table = ast.parse((ROOT / "ssdp_hw" / "__init__.pyi").read_text(encoding="utf-8"))
    found = {alias.name: node.module for node in table.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return "\n\n".join(f"::: {found[name]}.{name}" for name in sorted(found, key=str.lower))


def on_post_build(config):
    """Refuses a page that would fetch something from elsewhere."""
    for page in sorted(Path(config.site_dir).rglob("*.html")):
        if found := FETCHED.search(page.read_text(encoding="utf-8")):
            raise PluginError(f"{page} fetches from elsewhere: {found[0]}; copy the file into docs/assets")
