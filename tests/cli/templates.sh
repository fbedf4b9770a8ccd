#!/bin/bash
# chalcis template: templates, conversations, ids.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
gives() { # NAME TEXT: stdout is exactly that
    printf '%s' "$2" >"$tmp/want"
    if cmp -s "$tmp/out" "$tmp/want"; then ok "$1"; else not_ok "$1"; fi
}

cat >"$tmp/t.jinja" <<'END'
{% for m in messages %}
[{{ m.role }}] {{ m.content }}
{% endfor %}
{% if tools %}{{ tools|tojson }}{% endif %}
{% if think is defined and not think %}no thought {% endif %}
{% if add_generation_prompt %}[assistant]{% endif %}
END
t() { "$bin" template --file "$tmp/t.jinja" "$@"; }

is "a message" 0 t -p Hello
gives "its text" "[user] Hello
[assistant]"
echo '[{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]' >"$tmp/m.json"
echo '[{"name": "f"}]' >"$tmp/tools.json"
is "messages, tools, a variable" 0 t --messages "$tmp/m.json" --tools "$tmp/tools.json" \
    --set think=false --no-generation-prompt
gives "its text" '[system] S
[user] U
[{"name": "f"}]no thought '
echo '{"messages": [], "tools": [1], "think": true}' >"$tmp/o.json"
is "all in one object" 0 t --messages "$tmp/o.json"
gives "its text" "[1][assistant]"
is "from standard input" 0 sh -c "'$bin' template --file '$tmp/t.jinja' <'$tmp/m.json'"
says "its text" "[system] S"
echo '{{ strftime_now("%d %b %Y") }}{{ x }}' >"$tmp/day.jinja"
is "a day" 0 "$bin" template --file "$tmp/day.jinja" -p x --date 2026-02-28 --set x=text
gives "as given" "28 Feb 2026text"
is "no day" 1 "$bin" template --file "$tmp/day.jinja" -p x --date 2026-02-30
says "says how" "YYYY-MM-DD"
echo '
 {{ messages[0].content + 1 }}' >"$tmp/bad.jinja"
is "a template that fails" 1 "$bin" template --file "$tmp/bad.jinja" -p x
says "says where" "bad.jinja:2:25: str + int is not possible"
echo '{% if' >"$tmp/bad.jinja"
is "a template that is none" 1 "$bin" template --file "$tmp/bad.jinja" -p x
says "says where" "bad.jinja:1:1"
is "two conversations" 2 t -p x --messages "$tmp/m.json"
is "standard input twice" 2 t --messages - --parse -
says "says so" "standard input"
is "and without being said" 2 t --tools -
is "a model that nobody reads" 2 "$bin" template -m x.gguf --format think --parse "$tmp/t.jinja"
says "says so" "not read"
is "no JSON" 1 t --messages "$tmp/t.jinja"
is "no name" 1 t -p x --set think
says "says what is wanted" "NAME=JSON"
is "a model without template" 1 "$bin" template -p x
says "says so" "no chat template"

model=$(dirname "$0")/../../models/chalcis-tiny.gguf
is "ids" 0 t -p Hello --ids
cp "$tmp/out" "$tmp/ids"
t -p Hello >"$tmp/text"
is "tokenize the text" 0 "$bin" tokenize --no-bos --ids -f "$tmp/text"
that "the same ids" cmp "$tmp/out" "$tmp/ids"
echo '{{ eos_token }}{{ messages[0].content }}' >"$tmp/eos.jinja"
"$bin" template --file "$tmp/eos.jinja" -p "" --ids >"$tmp/ids"
eos=$(tr -d '[]' <"$tmp/ids")
is "a special token in a message" 0 "$bin" template --file "$tmp/eos.jinja" --ids -p \
    "$("$bin" template --file "$tmp/eos.jinja" -m "$model" -p "")"
if [ "$(tr -d '[]' <"$tmp/out" | tr ',' '\n' | grep -cw -- "$eos")" -eq 1 ]; then
    ok "is text"
else
    not_ok "is text"
fi

# ---- the way back ----
printf '<think>\nhm\n</think>\n\nSo:\n<tool_call>\n{"name": "f", "arguments": {"a": [1]}}\n%s' \
    '</tool_call>' >"$tmp/reply"
parse() { "$bin" template --parse "$tmp/reply" "$@"; }
is "a reply" 0 parse --format hermes
gives "its message" '{"role":"assistant","reasoning_content":"hm","content":"So:",'\
'"tool_calls":[{"type":"function","function":{"name":"f","arguments":{"a":[1]}}}]}
'
echo '<think> </think> {"name": "<tool_call>", "arguments"' >"$tmp/hermes.jinja"
is "by the template" 0 sh -c \
    "'$bin' template --file '$tmp/hermes.jinja' --parse - --tools '$tmp/tools.json' <'$tmp/reply'"
says "its call" '"name":"f"'
echo '[{"name": "g"}]' >"$tmp/other.json"
is "a tool that there is not" 0 parse --format hermes --tools "$tmp/other.json"
says "is content" 'So:\n<tool_call>\n{\"name\"'
echo '{{ messages[0].content }}<think>' >"$tmp/opened.jinja"
printf 'a</think>b' >"$tmp/reply"
is "reasoning that the prompt opened" 0 parse --file "$tmp/opened.jinja" -p x --format think
gives "its message" '{"role":"assistant","reasoning_content":"a","content":"b"}
'
is "no format" 1 parse --format x
says "says which there are" "hermes llama3 think text"
is "a format without reply" 2 "$bin" template --format hermes -p x
echo "1..$n"
