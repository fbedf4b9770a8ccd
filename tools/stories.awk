# stories.awk - makes up stories, for `make demo` and for trying things out: a grammar, a seed, no
# source but this file, so the text is anyone's.
#
#   awk -f tools/stories.awk -v stories=20 -v seed=2 >stories.txt    a paragraph a story
#   awk -f tools/stories.awk -v files=100 -v into=FOLDER             so many files of 20 stories
#
# A rule is a list of choices parted by "|"; <word> is replaced by a choice of that rule, and
# <word:1> by the one that was made first in this story: who a story is about stays who it is.
# Any awk: numbers come from a generator of its own (Park and Miller 1988).
# SPDX-License-Identifier: MIT
function draw(n) {
    state = (state * 48271) % 2147483647
    return int(state / 2147483647 * n)
}

function choose(name,    list, n) {
    if (!(name in rule)) {
        print "stories.awk: there is no rule \"" name "\"" >"/dev/stderr"
        exit 1
    }
    n = split(rule[name], list, "|")
    return list[1 + draw(n)]
}

function tell(text,    at, end, word, said) {
    while (match(text, /<[a-z]+(:[0-9])?>/)) {
        at = RSTART; end = RSTART + RLENGTH
        word = substr(text, at + 1, RLENGTH - 2)
        if (word in kept)
            said = kept[word]
        else if (word ~ /:/)
            said = kept[word] = choose(substr(word, 1, index(word, ":") - 1))
        else
            said = choose(word)
        text = substr(text, 1, at - 1) said substr(text, end)
    }
    return text
}

# Who is "he" and who is "she" goes with the name.
function cast(    who, g) {
    g = draw(2)
    kept["name:1"] = choose(g ? "girl" : "boy")
    kept["he:1"] = g ? "she" : "he"; kept["his:1"] = g ? "her" : "his"
    kept["him:1"] = g ? "her" : "him"
    do kept["name:2"] = choose(draw(2) ? "girl" : "boy"); while (kept["name:2"] == kept["name:1"])
}

# A sentence begins after . ! or ?, but not where someone "asks?" said the owl.
function capitals(text,    out, i, c, last, up) {
    up = 1
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (up && c ~ /[a-z]/) { c = toupper(c); up = 0 }
        else if (c ~ /[A-Za-z]/) up = 0
        else if (c ~ /[.!?]/) up = 1
        else if (c == "\"" && last ~ /[!?]/) up = 0
        last = c
        out = out c
    }
    return out
}

function story(    text) {
    split("", kept)
    cast()
    kept["child:1"] = kept["he:1"] == "he" ? "boy" : "girl"
    text = tell("<opening><habit><meet><trouble><ask><answer><try><turn><thanks><ending>")
    text = capitals(text)
    gsub(/ a apple/, " an apple", text); gsub(/ a old/, " an old", text)
    gsub(/ i /, " I ", text); sub(/ +$/, "", text)
    return text
}

BEGIN {
    if (!stories) stories = 20
    if (!files) files = 1
    state = (seed ? seed : 1) * 7919 % 2147483647
    for (i = 0; i < 10; i++) draw(2)

    rule["boy"] = "Tom|Ben|Max|Sam|Leo|Tim|Jack|Finn"
    rule["girl"] = "Lily|Anna|Mia|Sue|Rose|Ella|Lucy|Zoe"
    rule["trait"] = "kind|brave|curious|quiet|clever|shy|cheerful|careful"
    rule["feels"] = "happy|sad|tired|proud|hungry|excited|a little afraid|surprised"
    rule["glad"] = "happy|excited|proud|pleased"
    rule["friend"] = "cat|dog|rabbit|bird|mouse|frog|duck|fox|bear|owl"
    rule["look"] = "small|big|old|young|white|brown|grey|fluffy"
    rule["place"] = "forest|garden|park|village|farm|beach|hill|field|river|market"
    rule["spot"] = "forest|garden|park|village|field|snow"
    rule["home"] = "house|cottage|farm|little town|castle|boat"
    rule["weather"] = "sunny|rainy|windy|cold|warm|snowy|quiet"
    rule["time"] = "morning|day|afternoon|evening"
    rule["colour"] = "red|blue|green|yellow|golden|silver|shiny"
    rule["thing"] = "ball|kite|key|hat|book|box|stone|bell|cup|lamp|boat|drum"
    rule["food"] = "apple|cake|pie|carrot|cookie|pear|soup|bread"
    rule["hide"] = "under a big tree|behind the old wall|in the tall grass|next to the river|under the bridge|in a deep hole|on top of the hill|behind the red door"
    rule["went"] = "went to|walked to|ran to|took the path to"
    rule["liked"] = "liked to|loved to|wanted to learn how to"
    rule["play"] = "play in the <spot>|sing songs|look at the stars|climb trees|read books|bake bread|draw pictures|count the clouds|swim in the river|tell stories"
    rule["soon"] = "soon|after a while|at last|just then"
    rule["said"] = "said|asked|whispered|called"

    rule["opening"] = "once upon a time, there was a <trait:1> <child:1> named <name:1>. |" \
        "one <weather> <time>, <name:1> <went> the <place:1>. |" \
        "<name:1> was a <trait:1> <child:1> who lived in a <home>. |" \
        "once there was a <look:1> <friend:1> and a <child:1> named <name:1>. "
    rule["habit"] = "<name:1> <liked> <play>. |every <time>, <he:1> <liked> <play>. |" \
        "<he:1> had a <colour:1> <thing:1>, and <he:1> took it everywhere. |"
    rule["meet"] = "near the <place:1> <he:1> met a <look:1> <friend:1>. |" \
        "on the way <he:1> saw a <look:1> <friend:1>. |" \
        "<soon>, a <look:1> <friend:1> came out of the <place:1>. "
    rule["trouble"] = "the <friend:1> was sad because it had lost its <colour:1> <thing:1>. |" \
        "the <friend:1> was very hungry and had nothing to eat. |" \
        "the <friend:1> could not find the way home. |" \
        "the <friend:1> wanted to play, but nobody had time. "
    rule["ask"] = "\"can you help me?\" <said> the <friend:1>. |" \
        "\"please help me,\" said the <friend:1>. |" \
        "\"what is wrong?\" asked <name:1>. \"i am <feels>,\" said the <friend:1>. "
    rule["answer"] = "\"do not worry,\" said <name:1>. \"i will help you.\" |" \
        "\"of course,\" said <name:1>. \"let us go together.\" |" \
        "<name:1> thought for a moment. then <he:1> had an idea. "
    rule["try"] = "they looked for a long time, but they found nothing. |" \
        "first they looked <hide>. then they looked <hide>. |" \
        "they asked <name:2>, who lived in a <home>. \"look <hide>,\" said <name:2>. |" \
        "<he:1> gave the <friend:1> <his:1> <food>, and they sat down <hide>. "
    rule["turn"] = "<soon>, <name:1> saw something <colour:1> <hide>. it was a <thing:1>! |" \
        "<soon>, <name:2> came and brought a <food> for everyone. |" \
        "<soon>, the sun came out, and they could see the whole <place:1>. |" \
        "<soon>, they heard a bell, and <name:1> knew the way. "
    rule["thanks"] = "the <friend:1> was so <glad> that it jumped up and down. |" \
        "\"thank you, <name:1>!\" said the <friend:1>. \"you are very <trait:1>.\" |" \
        "the <friend:1> gave <him:1> a big hug. "
    rule["ending"] = "from that day on, <name:1> and the <friend:1> were best friends. |" \
        "<name:1> went home and told <his:1> mother about the <friend:1>. |" \
        "when the day was over, they were <glad>, and they went home together. |" \
        "and they all lived happily near the <place:1>. "

    for (f = 0; f < files; f++)
        for (s = 0; s < stories; s++)
            printf "%s\n\n", story() >(into ? sprintf("%s/%04d.txt", into, f + 1) : "/dev/stdout")
}
