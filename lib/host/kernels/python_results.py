# SPDX-License-Identifier: MIT
# Part of the Python kernel, after python_lines.py: results and what they are made of.


def clean_text(text):
    """Surrogates that are half a character cannot travel."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean_json(value, strict=False):
    """`value` as JSON knows it: what has no number becomes null, what has no form its text; with
    `strict` the latter is a TypeError."""
    if value is None or isinstance(value, (bool, str)):
        return clean_text(value) if isinstance(value, str) else value
    if isinstance(value, int):
        value = int(value)
        if -(2**63) <= value < 2**64:
            return value
        if strict:
            raise TypeError("too large an integer")
        try:
            return float(value)
        except OverflowError:
            return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {clean_key(key): clean_json(item, strict) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_json(item, strict) for item in value]
    if isinstance(value, (datetime.date, datetime.time)) and value == value:
        return value.isoformat()
    if hasattr(value, "tolist") and type(value).__module__.startswith("numpy"):
        return clean_json(value.tolist(), strict)
    if strict:
        raise TypeError("no JSON: %s" % type(value).__name__)
    if isinstance(value, (set, frozenset)):
        return [clean_json(item) for item in value]
    return clean_text(str(value))


def clean_key(key):
    if isinstance(key, str):
        return clean_text(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    return clean_text(str(key))


FIELDS = (
    ("text", "text/plain"),
    ("html", "text/html"),
    ("markdown", "text/markdown"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("pdf", "application/pdf"),
    ("latex", "text/latex"),
    ("json", "application/json"),
    ("javascript", "application/javascript"),
    ("data", "e2b/data"),
    ("chart", "e2b/chart"),
)


def result_of(bundle, is_main):
    """The line of a result from a bundle of MIME types."""
    import base64

    rest = {}
    for mime, value in bundle.items():
        if isinstance(value, (bytes, bytearray)):
            value = base64.b64encode(value).decode("ascii")
        rest[mime] = clean_json(value)
    line = {"type": "result"}
    for field, mime in FIELDS:
        value = rest.pop(mime, None)
        if value is None:
            continue
        if field == "text" and value[:1] in ("'", '"') and value[-1:] == value[:1]:
            value = value[1:-1]
        line[field] = value
    line["extra"] = {mime: value for mime, value in rest.items() if value is not None}
    line["is_main_result"] = is_main
    return line


class ImageHook:
    """Once Pillow is imported, images are displayed when they are shown, and when they are saved
    under a name. It is not imported for that."""

    def find_spec(self, name, _path, _target=None):
        if name != "PIL.Image":
            return None
        sys.meta_path.remove(self)
        spec = util.find_spec(name)
        if spec is None or not isinstance(spec.loader, machinery.SourceFileLoader):
            return spec
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            self.change(module.Image)

        spec.loader.exec_module = exec_module
        return spec

    @staticmethod
    def change(image_class):
        from IPython.display import display

        save = image_class.save

        def save_and_display(self, fp, format=None, **params):
            if isinstance(fp, str):
                display(self)
            save(self, fp, format, **params)

        image_class.save = save_and_display
        image_class.show = lambda self, *_args, **_kwargs: display(self)


def make_formatters(shell):
    """DataFrames as data, figures as charts, lists and dictionaries as JSON."""
    from IPython.core.formatters import BaseFormatter, JSONFormatter
    from traitlets import ObjectName, Unicode

    class Data(BaseFormatter):
        format_type = Unicode("e2b/data")
        print_method = ObjectName("_repr_e2b_data_")
        _return_type = (dict, str)

        def __call__(self, obj):
            pandas = sys.modules.get("pandas")
            if pandas is None or not isinstance(obj, getattr(pandas, "DataFrame", ())):
                return super().__call__(obj)
            return obj.to_dict(orient="list")

    class Chart(BaseFormatter):
        format_type = Unicode("e2b/chart")
        print_method = ObjectName("_repr_e2b_chart_")
        _return_type = (dict, str)

        def __call__(self, obj):
            figures = sys.modules.get("matplotlib.figure")
            if figures is None or not isinstance(obj, getattr(figures, "Figure", ())):
                return super().__call__(obj)
            try:
                from e2b_charts import chart_figure_to_dict
            except ImportError:
                return None
            try:
                return chart_figure_to_dict(obj) or {}
            except Exception:
                return {}

    class Json(JSONFormatter):
        def __call__(self, obj):
            if isinstance(obj, (list, dict)):
                try:
                    return clean_json(obj, strict=True)
                except (TypeError, ValueError, RecursionError):
                    pass
            return super().__call__(obj)

    display = shell.display_formatter
    display.formatters["e2b/data"] = Data(parent=display)
    display.formatters["e2b/chart"] = Chart(parent=display)
    display.formatters["application/json"] = Json(parent=display)
