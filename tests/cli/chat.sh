#!/bin/bash
# chalcis chat, as a filter and as a person at a terminal (tmux).  TAP.
set -u
bin=$(realpath "${CHALCIS_BIN:-./chalcis}")
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
export XDG_STATE_HOME="$tmp/state" NO_COLOR=1
has() { if grep -qF -- "$2" "$tmp/out"; then ok "$1"; else not_ok "$1: \"$2\""; fi; }
hasnt() { if grep -qF -- "$2" "$tmp/out"; then not_ok "$1: \"$2\""; else ok "$1"; fi; }
chat() { printf '%s\n' "$@" | "$bin" chat -n 12 >"$tmp/out" 2>"$tmp/err"; }
# A model that opens slowly is the one thing that is told.
quiet() { ! grep -qv '^opening the model [0-9]' "$tmp/err"; }

# ---- A filter ------------------------------------------------------------------------------------
chat "Once there was a fox." "And then?"
that "two messages, two answers" [ "$(grep -c . "$tmp/out")" -ge 2 ]
that "and nothing else" quiet
cp "$tmp/out" "$tmp/first"
chat "Once there was a fox." "And then?"
that "the same again" cmp "$tmp/out" "$tmp/first"
chat "Once there was a fox." "Never mind." /undo "And then?" "/show messages"
has "undone is gone" "user: And then?"
hasnt "undone is not kept" "Never mind."
chat "Once there was a fox." /undo "Once there was a fox." "And then?"
behind() { tail -n +"$(($(grep -n "$1" "$tmp/out" | cut -d: -f1) + 1))" "$tmp/out"; }
behind "0 messages are left" >"$tmp/again"
that "nothing of it stays behind" cmp "$tmp/again" "$tmp/first"
chat '"""' 'two' 'lines' '"""' '"""one"""' "/show messages"
has "lines between quotes" "user: two"
has "end where they end" "lines"
has "on one line too" "user: one"
chat "/system Be brief." "Hello." "/clear" "/show messages"
has "the system message stays" "system: Be brief."
hasnt "what was said does not" "user:"
chat "/set temp 0.25" "/set top-k 7" "/set top_p 0.5" "/set seed 9" "/set count 3 " \
    "/set think off" /set
has "a sampler" "temp               0.25"
has "with a dash" "top-k              7"
has "without" "top-p              0.5"
has "the seed" "seed               9"
has "thinking" "think              off"
chat "/set samplers top_k;temperature" /set
has "their order" "top_k;temperature"
for bad in "/set temp -1" "/set samplers x" "/set temp x" "/set nonsense 1" "/set think maybe" \
    "/set count 1.5" "/frobnicate" "/save" "/load $tmp/none" "/undo" "/regen"; do
    printf '%s\n' "$bad" Hello. | "$bin" chat >"$tmp/out" 2>"$tmp/err"
    rc=$?
    if [ $rc -eq 1 ] && [ -s "$tmp/err" ] && [ ! -s "$tmp/out" ]; then
        ok "$bad ends it"
    else
        not_ok "$bad (exit $rc)"
    fi
done
chat '"""' '"""' '""""""' "/show messages"
that "an empty block says nothing" [ ! -s "$tmp/out" ]
chat "/set think off" "/set think on" "/set think hide"
that "thinking that no template reads is said once" \
    [ "$(grep -c enable_thinking "$tmp/err")" -eq 1 ]
dry() { printf '/set dry-multiplier 5\nOnce there was a fox.\n' |
    "$bin" chat -n 80 --temp 0 "$@" >"$tmp/out" 2>"$tmp/err"; }
dry
cp "$tmp/out" "$tmp/usual"
dry --dry-sequence-breaker $'\n' --dry-sequence-breaker : --dry-sequence-breaker '"' \
    --dry-sequence-breaker '*'
that "repeats end at the usual breakers" cmp "$tmp/out" "$tmp/usual"
dry --dry-sequence-breaker none
that "or at none" [ -s "$tmp/out" ]
that "which is another answer" sh -c "! cmp -s '$tmp/out' '$tmp/usual'"
is "a breaker that no token holds" 1 "$bin" chat --dry-sequence-breaker "qx qx"
chat /exit "Hello."
that "leaves" [ ! -s "$tmp/out" ]
printf 'Hello.\n' | "$bin" chat -c 8 >"$tmp/out" 2>"$tmp/err"
that "too long is an error" [ $? -eq 1 ]
says "with both numbers" "the context holds 8"
is "an unknown colour" 1 "$bin" chat --color red
says "says the others" "auto, always or never"
is "a context that is filled" 0 sh -c "printf '/set status on\nHello.\n' | '$bin' chat -c 40 -n -1"
says "says so" "the context is full"
says "has no room" "0 of 40 left"

# ---- Thoughts ------------------------------------------------------------------------------------
cat >"$tmp/think.jinja" <<'END'
{# the answer begins with a thought, up to </think> #}
{% for m in messages %}{{ m.content }}{% endfor %}<think>
END
thinks() { echo "Why?" | "$bin" chat -n 12 --chat-template "$tmp/think.jinja" "$@" \
    >"$tmp/out" 2>"$tmp/err"; }
dim=$(printf '\033[2m')
thinks
that "a thought is shown" [ "$(wc -c <"$tmp/out")" -gt 12 ]
hasnt "without colour" "$dim"
thinks --color always
has "dim" "$dim"
thinks --think off
says "nothing turns it off" "no enable_thinking"
echo '{% if enable_thinking %}{% endif %}{{ messages[-1].content }}' >"$tmp/reads.jinja"
is "a template that reads it" 0 "$bin" chat --think off --chat-template "$tmp/reads.jinja"
that "says nothing" quiet
thinks --think hide
that "or not at all" [ ! -s "$tmp/out" ]

# ---- Saved and loaded ----------------------------------------------------------------------------
chat "Once there was a fox." "And then?" "/save $tmp/talk" "Why?"
behind "^saved" >"$tmp/why"
printf 'Why?\n/show messages\n' | "$bin" chat -n 12 --load "$tmp/talk" >"$tmp/out" 2>"$tmp/err"
head -n "$(grep -c '' "$tmp/why")" "$tmp/out" >"$tmp/again"
that "goes on as it would have" cmp "$tmp/again" "$tmp/why"
has "with its messages" "user: Once there was a fox."
chat "/load $tmp/talk.json" "/show"
has "messages alone" "messages           4"
is "a model of another kind" 0 "$bin" init llama -o "$tmp/other.gguf"
is "another model refuses it" 1 "$bin" chat -m "$tmp/other.gguf" --load "$tmp/talk"
says "says why" "another model"
is "its messages it takes" 0 "$bin" chat -m "$tmp/other.gguf" --load "$tmp/talk.json"
echo '{"chalcis": "conversation", "messages": [{}]}' >"$tmp/bad.json"
is "a message without role" 1 "$bin" chat --load "$tmp/bad.json"
said() { # ROLE...: a conversation
    local list="" role
    for role; do list="$list${list:+,}{\"role\": \"$role\", \"content\": \"x\"}"; done
    echo "{\"chalcis\": \"conversation\", \"messages\": [$list]}" >"$tmp/said.json"
}
said assistant
is "a greeting is not taken back" 1 sh -c "echo /undo | '$bin' chat --load '$tmp/said.json'"
says "says so" "no message to take back"
said system user assistant user assistant tool assistant
is "what a message led to is" 0 sh -c "echo /undo | '$bin' chat --load '$tmp/said.json'"
says "with it" "3 messages are left"
that "no history of what is not typed" [ ! -e "$tmp/state" ]

# ---- A person ------------------------------------------------------------------------------------
if ! command -v tmux >/dev/null; then
    skip "a person at a terminal" "needs tmux"
    echo "1..$n"
    exit
fi
export TMUX_TMPDIR=$tmp
server_name=0 # a new one for each terminal: one that ends may still hold its name
term() { tmux -L "chat$server_name" "$@"; }
trap 'term kill-server 2>/dev/null; rm -rf "$tmp"' EXIT
pane() { term capture-pane -p -J -S - >"$tmp/out" 2>"$tmp/err"; }
# sees NAME TEXT [TIMES]: within a minute it is on the screen, so often
sees() {
    for _ in $(seq 600); do
        pane
        if [ "$(grep -cF -- "$2" "$tmp/out")" -ge "${3:-1}" ]; then
            ok "$1"
            return
        fi
        sleep 0.1
    done
    not_ok "$1: \"$2\""
}
keys() { term send-keys "$@"; }
typed() { term send-keys -l "$1" && term send-keys Enter; }
start() { # OPTIONS: chat in a new terminal
    term kill-server 2>/dev/null
    server_name=$((server_name + 1))
    term -f /dev/null new-session -d -x 120 -y 50 \
        "LANG=C.UTF-8 TERM=xterm-256color '$bin' chat $*; echo LEFT \$?; cat"
    sees "it begins ($*)" ">>>"
}

start -n 12
typed "Once there was a fox."
sees "an answer and its numbers" "tok/s"
typed '"""'
sees "more lines are asked for" "..."
typed "two"
typed 'lines"""'
sees "one message" "tok/s" 2
typed /regen
sees "another answer" "tok/s" 3
typed /undo
sees "a message less" "2 messages are left"
typed "/save $tmp/typed"
sees "saved" "saved 2 messages"
typed $'gr\303\266\303\237e \360\237\246\212'
sees "beyond ASCII" "tok/s" 4
typed "/show messages"
sees "as it was typed" $'user: gr\303\266\303\237e \360\237\246\212'
typed "/load $tmp/typed"
sees "loaded" "loaded 2 messages"
term set-buffer "pasted
text"
term paste-buffer -p
sees "pasted lines wait" "text"
keys Enter
sees "are one message" "tok/s" 5
typed "/show messages"
sees "with both lines" "user: pasted"
edits=$(ldd "$bin" | grep -c libedit)
if [ "$edits" -gt 0 ]; then
    term send-keys -l "/sys"
    keys Tab
    sees "completed" ">>> /system"
    keys C-c
    sees "a line is dropped" "leaves)"
    keys Up
    sees "the line before" ">>> /show messages" 3
    keys C-c
else
    skip "edited lines" "this build has no libedit"
fi
keys C-d
sees "Ctrl-D leaves" "LEFT 0"
[ "$edits" -eq 0 ] || that "typed lines are kept" grep -q "Once" "$tmp/state/chalcis/history"

if [ "$edits" -gt 0 ]; then
    start -n 3
    term set-buffer "/exit \"\"\""
    term paste-buffer -p
    sees "a pasted command waits" "/exit"
    keys Enter
    sees "and is a message" "tok/s"
    typed "Typed and lost?"
    sees "a line" "tok/s" 2
    kill -HUP "$(term list-panes -F '#{pane_pid}' | xargs pgrep -P)"
    that "its lines are kept" grep -q "Typed" "$tmp/state/chalcis/history"
    that "and those before" grep -q "Once" "$tmp/state/chalcis/history"
    echo "not a history" >"$tmp/state/chalcis/history"
    start -n 3
    sees "a file that is no history" "is not a history"
    typed "Hello."
    sees "does not matter" "tok/s"
    keys C-d
    sees "and it leaves" "LEFT 0"
    that "it stays as it was" grep -qx "not a history" "$tmp/state/chalcis/history"
else
    skip "pasted commands, lines that are kept" "this build has no libedit"
fi
cat >"$tmp/steers.json" <<'END'
{"chalcis": "conversation", "messages": [{"role": "system", "content": "\u001b[31mA"},
 {"role": "\u001b[31mB", "content": "x"}]}
END
start --no-history --load "$tmp/steers.json"
typed /system
sees "a text that steers the terminal does not" $'\357\277\275[31mA'
typed "/show messages"
sees "nor does a role" $'\357\277\275[31mB:'
keys C-d

start -c 200000 --temp 0 --repeat-penalty 1.3 --no-history
typed "Once there was a fox."
for _ in $(seq 600); do # until it writes
    pane
    [ "$(grep -c . "$tmp/out")" -ge 4 ] && break
    sleep 0.1
done
keys C-c
sees "Ctrl-C stops the answer" "stopped"
typed "/show messages"
sees "what came of it stays" "assistant:"
typed "/set count 3"
typed "And then?"
sees "and it goes on" "tok/s" 2
typed /exit
sees "/exit leaves" "LEFT 0"
echo "1..$n"
