#!/usr/bin/env bash
# zetasql 0.1.5: FORMAT_DATE drops the rest of the text after an element that the C library does not know.
#
# Elements that GoogleSQL does not handle itself go to the C library's strftime. The WebAssembly of this package is
# built with musl, whose strftime gives nothing for an unknown element and stops there: what follows is missing, and no
# error is raised. A percent sign in plain text ("100% of all") is enough. With glibc such an element is copied as it is.
#
# Seen with zetasql 0.1.5, wasmtime 50.0.1, protobuf 7.36.2 on Python 3.11:
#   '%d.%m.%Y' -> '30.11.2026'
#   '%d %f done' -> '30 '
#   '%d: 100% of all' -> '30: 100'
# Fails if the rest of the text is there, or an error is raised.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
    'zetasql==0.1.5' 'wasmtime==50.0.1' 'protobuf==7.36.2'
cat >"$folder/format.py" <<'PROGRAM'
from zetasql.api import CatalogBuilder, PreparedExpression
from zetasql.types import AnalyzerOptions, LanguageOptions, ZetaSQLBuiltinFunctionOptions

language = LanguageOptions.maximum_features()
functions = ZetaSQLBuiltinFunctionOptions(language_options=language)
catalog = CatalogBuilder("c").with_builtin_functions(functions).build()
options = AnalyzerOptions(language_options=language)
expected = {"%d.%m.%Y": "30.11.2026", "%d %f done": "30 ", "%d: 100% of all": "30: 100"}
for text, cut in expected.items():
    sql = f"FORMAT_DATE('{text}', DATE '2026-11-30')"
    found = PreparedExpression(sql, options, catalog).execute().get_string()
    print(f"{text!r} -> {found!r}", flush=True)
    if found != cut:
        raise SystemExit("the behaviour has changed")
PROGRAM
"$folder/env/bin/python" "$folder/format.py"
