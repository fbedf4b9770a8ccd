#!/bin/bash
# Sizes of files and functions against the limits of CONTRIBUTING.md; exits 1 if something is over.
#   files      at most 30 K
#   functions  at most 60 lines, signature and braces included
#   lines      at most 100 columns; .def files and rows of tables may be wider
# A function is what begins with a "{" alone in column 0 (or a column-0 signature that ends in one)
# and ends with a "}" in column 0.
# SPDX-License-Identifier: MIT
cd "$(dirname "$0")/.." || exit 2
export LC_ALL=C # any awk then counts bytes; columns are counted without UTF-8 continuation bytes
FILE_MAX=30720 FUNCTION_MAX=60 COLUMN_MAX=100
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

find src include tests examples -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.sh' \) \
    2>/dev/null | sort >"$work/files"
xargs -r wc -c <"$work/files" | awk '$2 != "total" {print $1, $2}' >"$work/sizes"

# ---- Files ----
sort -n "$work/sizes" | awk '
function folder(path, part, n) {
    n = split(path, part, "/")
    return n > 2 ? part[1] "/" part[2] : part[1]
}
{
    f = folder($2); n[f]++; size[f, n[f]] = $1; sum[f] += $1; largest[f] = $2; all[NR] = $1; total += $1
}
END {
    printf "%-18s %6s %8s %8s %8s  %s\n", "folder", "files", "bytes", "median", "largest", "which"
    for (f in n)
        printf "%-18s %6d %8d %8d %8d  %s\n", f, n[f], sum[f], size[f, int((n[f] + 1) / 2)], size[f, n[f]],
               largest[f] | "sort"
    close("sort")
    printf "%-18s %6d %8d %8d %8d\n", "all", NR, total, all[int((NR + 1) / 2)], all[NR]
}'
awk -v max="$FILE_MAX" '$1 > max {printf "%s: %d bytes, allowed %d\n", $2, $1, max}' "$work/sizes" >"$work/offenders"

# ---- Functions and lines ----
cat >"$work/scan.awk" <<'AWK'
FNR == 1 { inside = 0; table = 0; first = 0; name = "" }
{
    line = $0
    gsub(/[\200-\277]/, "", line)
    row = table || line ~ /^ *[{[].*[},]$/ || line ~ /^ *[A-Z_]+\(.*\) *\\?$/
    if (FILENAME !~ /\.def$/ && length(line) > columns && !row)
        printf "%s:%d: %d columns, allowed %d\n", FILENAME, FNR, length(line), columns >>offenders
}
FILENAME !~ /\.[ch]$/ { next }
!inside && /^[A-Za-z_].*=.*{$/ { table = 1 }
/^}/ {
    if (inside) {
        lines = FNR - first + 1
        printf "%d %s:%d %s\n", lines, FILENAME, first, name >>functions
        if (lines > most)
            printf "%s:%d: %s has %d lines, allowed %d\n", FILENAME, first, name, lines, most >>offenders
    }
    inside = 0; table = 0; next
}
!inside && /^[A-Za-z_][^=]*\(/ && !/^(typedef|struct|union|enum)[ ]*{/ && !/;$/ {
    first = FNR
    name = $0
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
    if (/\) *{$/) inside = 1
}
!inside && /^{/ && first > 0 { inside = 1 }
AWK
: >"$work/functions"
xargs -r awk -v columns="$COLUMN_MAX" -v most="$FUNCTION_MAX" -v offenders="$work/wide" -v functions="$work/functions" \
    -f "$work/scan.awk" <"$work/files"
[ -e "$work/wide" ] && cat "$work/wide" >>"$work/offenders"
printf '\n%d functions, median %d lines; longest:\n' "$(wc -l <"$work/functions")" \
    "$(sort -n "$work/functions" | awk '{n[NR] = $1} END {print n[int((NR + 1) / 2)] + 0}')"
sort -rn "$work/functions" | head -n 10 | awk '{printf "%6d  %s (%s)\n", $1, $3, $2}'

if [ -s "$work/offenders" ]; then
    printf '\nOver the limits:\n'
    cat "$work/offenders"
    exit 1
fi
printf '\nNothing is over the limits.\n'
