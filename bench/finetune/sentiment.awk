# sentiment.awk - sentences of one kind a line to records of the fold asked for
#
#   LC_ALL=C awk -v fold=train -v answer=good -v other=bad -f sentiment.awk FILE
#
# fold: train, dev or test, 80, 10 and 10 in a hundred.  A sentence's fold is a hash of its bytes:
# one that is there twice is in one fold, and what is in a fold does not depend on the order.
# Records are {prompt, response}; those of test also {choices, answer}; choice 0 is `first`.
BEGIN {
    for (i = 1; i < 256; i++) {
        c = sprintf("%c", i)
        code[c] = i
        escape[c] = i < 32 || i == 127 ? sprintf("\\u%04x", i) : c
    }
    escape["\""] = "\\\""
    escape["\\"] = "\\\\"
    if (first == "") first = answer < other ? answer : other
}
{
    sub(/\r$/, "")
    gsub(/^ +| +$/, "")
    if ($0 == "") next
    hash = 1
    text = ""
    n = length($0)
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        hash = (hash * 131 + code[c]) % 16777213
        text = text escape[c]
    }
    part = hash % 10
    if (fold != (part == 0 ? "test" : part == 1 ? "dev" : "train")) next
    more = ""
    if (fold == "test") {
        second = first == answer ? other : answer
        more = sprintf(", \"choices\": [\"%s\", \"%s\"], \"answer\": %d", first, second,
                       first != answer)
    }
    printf "{\"prompt\": \"%s\", \"response\": \"%s\"%s}\n", text, answer, more
}
