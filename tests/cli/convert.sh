#!/bin/bash
# chalcis convert: containers there and back, cards, adapters, refusals.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
bundled=$(cd "$(dirname "$0")" && pwd)/../../models/chalcis-tiny.gguf
cd "$tmp" || exit 1
case $bin in /*) ;; *) bin=$OLDPWD/$bin ;; esac
text="It is a truth universally acknowledged, that a single man in possession of a good fortune"
echo "$text" >text
score() { "$bin" perplexity -m "$1" -f text --json 2>/dev/null | grep -o '"nll":[^,]*'; }

for a in llama gpt2 gemma3 phi3 lfm2 inl_v2 inl_v3; do
    is "init $a" 0 "$bin" init $a -o $a.gguf --seed 3
    is "$a into a folder" 0 "$bin" convert $a.gguf $a
    is "and back" 0 "$bin" convert $a $a.2.gguf
    before=$(score $a.gguf)
    that "$a computes the same as a folder" test -n "$before" -a "$before" = "$(score $a)"
    that "$a computes the same as a file again" test "$before" = "$(score $a.2.gguf)"
done
that "a folder is whole" test -s llama/config.json -a -s llama/model.safetensors \
    -a -s llama/tokenizer.json -a -s llama/generation_config.json -a -s llama/README.md
is "a folder with another's vocabulary" 1 "$bin" run -m llama --tokenizer "$bundled" -p x
says "says which has how many" "has 4096 tokens, but llama has rows for"
is "its own, by name" 0 "$bin" run -m llama --tokenizer llama/tokenizer.json -p x -n 1
is "in several files" 0 "$bin" convert llama.gguf parts --shard-size 0.0002
that "their index" test -s parts/model.safetensors.index.json
that "compute the same" test "$(score llama.gguf)" = "$(score parts)"
is "a folder that is there" 1 "$bin" convert llama.gguf parts
says "is not written over" "parts/config.json is there already"
is "over the source" 1 "$bin" convert llama.gguf llama.gguf
is "another type" 0 "$bin" convert llama half.gguf --type bf16 --name Half
is "its name" 0 "$bin" show half.gguf
says "is kept" "Half"
says "and its type" "bf16"
is "a type that is not plain" 1 "$bin" convert llama q.gguf --type q4_0
says "says who writes it" "chalcis quantize"
is "a dry run" 0 "$bin" convert llama none.gguf --dry-run
says "lists tensors" "blk.0.attn_q.weight"
that "writes nothing" test ! -e none.gguf
printf -- '---\nlicense: mit\nlanguage:\n- en\n- de\ntags: [small, "test"]\n---\n# x\n' >card.md
cp card.md llama/README.md
is "a card" 0 "$bin" convert llama card.gguf
that "one's own stays" cmp card.md llama/README.md
is "of it" 0 "$bin" show card.gguf --all
says "the licence is kept" "mit"
says "and the languages" "de"
is "back" 0 "$bin" convert card.gguf card
that "in its head" grep -q 'license: "mit"' card/README.md
is "beside a file" 0 "$bin" convert card carded.gguf
that "in its head too" grep -q 'license: "mit"' carded.md
is "steps of an integrator" 0 "$bin" convert inl_v2.gguf six.gguf --iterations 6 --stop token
is "are its metadata" 0 "$bin" show six.gguf --all
says "each layer's" "[6,6,6,6,6,6]"
says "and the rule" "\"token\""
that "and count" test "$(score six.gguf)" != "$(score inl_v2.gguf)"
is "into a folder too" 0 "$bin" convert inl_v2 six --iterations 6 --stop token
that "all of it" test "$(score six)" = "$(score six.gguf)"
is "as many steps as there may be" 0 "$bin" convert inl_v2.gguf most --iterations 255
is "come back" 0 "$bin" convert most most.gguf
is "all" 0 "$bin" show most.gguf --all
says "of them" "[255,255,255,255,255,255]"
is "an unknown rule" 1 "$bin" convert inl_v2.gguf x.gguf --stop never
says "is told" "fixed, reference, token"
is "steps of others" 1 "$bin" convert llama.gguf x.gguf --iterations 3
says "are refused" "it is a llama model"
printf 'told of nobody' >inl_v2/chat_template.jinja
is "the published chat template" 0 "$bin" convert inl_v2 chat.gguf
is "is replaced" 0 "$bin" show chat.gguf --all
says "by one that prompts" "add_generation_prompt"
rm llama/tokenizer*
is "a model that no config.json describes" 0 "$bin" init phi3 --rope linear -o said.gguf
is "as a folder" 1 "$bin" convert said.gguf said
says "says why" "a config.json cannot say"
is "a folder without a vocabulary" 0 "$bin" convert llama bare.gguf
says "is told" "has no vocabulary"
is "endless input" 1 "$bin" convert /dev/zero out.gguf
says "is refused" "device or a pipe"
that "in no time" test ! -e out.gguf
mkfifo fifo
is "a pipe" 1 "$bin" run -m fifo -p x
says "is refused" "device or a pipe"


for _ in 1 2 3 4 5 6 7 8; do cat text text text text; echo; done >data
"$bin" init llama -o base.gguf --seed 3 2>/dev/null
if "$bin" finetune -m base.gguf --data data --lora 4 --steps 3 --length 16 --lr 0.1 --out adapter \
    -t 1 >log 2>&1; then
    is "an adapter without its model" 1 "$bin" convert adapter adapter.gguf
    says "asks for it" "name the model"
    is "an adapter into GGUF" 0 "$bin" convert adapter adapter.gguf -m base.gguf
    is "and back" 0 "$bin" convert adapter.gguf again -m base.gguf
    that "to the bit" cmp adapter/adapter_model.safetensors again/adapter_model.safetensors
    with() {
        "$bin" perplexity -m base.gguf -f text --json "$@" 2>/dev/null | grep -o '"nll":[^,]*'
    }
    that "it changes the model" test "$(with)" != "$(with --lora adapter)"
    that "alike in both" test "$(with --lora adapter)" = "$(with --lora adapter.gguf)"
    is "two at once" 0 "$bin" run -m base.gguf --lora adapter=0.5 --lora adapter.gguf=-0.5 -p x -n 2
    is "a bad strength" 1 "$bin" run -m base.gguf --lora adapter=much -p x
    says "is told" "PATH=SCALE"
else
    not_ok "an adapter is trained: $(tail -1 log)"
fi
# ---- Two templates -----------------------------------------------------------------------------
is "a model as a folder" 0 "$bin" convert "$bundled" "$tmp/two"
two='{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "called"}'
sed -i "s/^{/{\"chat_template\": [$two],/" "$tmp/two/tokenizer_config.json"
is "with two templates" 0 "$bin" convert "$tmp/two" "$tmp/two.gguf"
is "and back" 0 "$bin" convert "$tmp/two.gguf" "$tmp/three"
echo '[{"role": "user", "content": "Hi"}]' >"$tmp/messages"
echo '[{"type": "function", "function": {"name": "f"}}]' >"$tmp/tools"
for m in "$tmp/two.gguf" "$tmp/three"; do
    is "without tools" 0 "$bin" template -m "$m" --messages "$tmp/messages"
    says "the usual one" "plain"
    is "with tools" 0 "$bin" template -m "$m" --messages "$tmp/messages" --tools "$tmp/tools"
    says "theirs" "called"
done

echo "1..$n"
