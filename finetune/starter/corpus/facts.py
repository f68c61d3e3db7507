"""Short question-and-answer conversations about words, things, numbers and everyday facts."""

from __future__ import annotations

import random
from collections.abc import Callable

from . import lexicon as lx
from .lexicon import Noun, Verb, be, phrase, plural

Turn = tuple[str, str]

SYSTEM = """
You are a helpful assistant.
You answer questions in plain English.
Answer shortly and clearly.
You are a friendly teacher who explains words.
Give short, correct answers.
You help people learn English.
Use simple words in every answer.
You are a patient helper for beginners.
Answer each question in one to three sentences.
You explain everyday things in an easy way.
Be polite and to the point.
You are a calm and friendly guide.
You know a lot of words and like to explain them.
Please answer only what is asked.
You help pupils with their homework.
Write whole sentences.
You are a walking dictionary with good manners.
Keep your answers short.
You are a kind assistant who never rushes.
Read the question carefully, then answer it.
You help a learner practise new words.
Be clear, honest and friendly.
You talk with visitors of a library.
Answer as you would to a curious child.
You are a quiz partner who gives the right answers.
Say things simply and correctly.
You are a tutor for words and numbers.
Help the user with small everyday questions.
""".strip().splitlines()

STRICT: dict[str, tuple[str, str]] = {
    "animal": ("an animal", "animals"),
    "bird": ("a bird", "birds"),
    "fish": ("a fish", "fish"),
    "insect": ("an insect", "insects"),
    "tree": ("a tree", "trees"),
    "flower": ("a flower", "flowers"),
    "fruit": ("a fruit", "fruits"),
    "vegetable": ("a vegetable", "vegetables"),
    "drink": ("a drink", "drinks"),
    "tool": ("a tool", "tools"),
    "piece of furniture": ("a piece of furniture", "pieces of furniture"),
    "piece of clothing": ("a piece of clothing", "pieces of clothing"),
    "vehicle": ("a vehicle", "vehicles"),
    "musical instrument": ("a musical instrument", "musical instruments"),
    "part of the body": ("a part of the body", "parts of the body"),
}
KIND_ADJ = {
    "money word": "a word about money",
    "law word": "a word about law and agreements",
    "health word": "a word about health",
    "help desk word": "a word used by a help desk",
    "school word": "a word about school",
    "office word": "a word about office work",
    "time word": "a word about time",
    "feeling": "a word for a feeling",
    "job": "a word for a job",
    "person": "a word for a person",
    "place": "a word for a place",
    "part of nature": "a word about nature",
    "material": "a word for a material",
    "kind of weather": "a word about the weather",
    "part of a vehicle": "a word for a part of a vehicle",
}
AMBIGUOUS = frozenset(
    "organ palm calf chestnut cricket date orange lime mole seal kiwi turkey duck swallow fly fan drum bell file"
    " fig cherry plum bat bull horn violet lily rose chest back heel carp tuna torch compass needle".split()
)
_LIVING = ("animal", "bird", "fish", "insect")
_GROUP = {k: ("living" if k in _LIVING else k) for k in STRICT}
_SAFE = {k: [n for n in lx.BY_KIND[k] if n.word not in AMBIGUOUS] for k in STRICT}
_STRICT_KINDS = list(STRICT)
_COUNT = [n for n in lx.NOUNS if not n.form]
_KINDS_ALL = [k for k in lx.BY_KIND if k in STRICT or k in KIND_ADJ]
_SINGLE_WORDS = [w for w in lx.ALL_WORDS if " " not in w and "-" not in w]


def cap(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def pick(rng: random.Random, options: list[str]) -> str:
    """One option at random."""
    return options[int(rng.random() * len(options))]


def _other_kind(rng: random.Random, kind: str) -> str:
    while True:
        other = rng.choice(_STRICT_KINDS)
        if other == kind or (other == "animal" and kind in _LIVING) or (kind == "animal" and other in _LIVING):
            continue
        return other


def _loosen(rng: random.Random, text: str) -> str:
    roll = rng.random()
    if roll < 0.08:
        text = text[0].lower() + text[1:] if not text.startswith("I ") else text
        return text.rstrip("?.")
    if roll < 0.12:
        return text.rstrip("?.")
    if roll < 0.17:
        return text[0].lower() + text[1:] if not text.startswith("I ") else text
    return text


def _define_q(rng: random.Random, word: str, subject: str, is_or_are: str) -> str:
    do = "do" if is_or_are == "are" else "does"
    return pick(
        rng,
        [
            f"What {is_or_are} {subject}?",
            f"What does the word '{word}' mean?",
            f"What {do} '{word}' mean?",
            f"Explain the word '{word}'.",
            f"Define '{word}'.",
            f"Can you explain what {subject} {is_or_are}?",
            f"What is the meaning of '{word}'?",
            f"Please tell me what {subject} {is_or_are}.",
            f"Tell me what '{word}' means.",
            f"I do not know the word '{word}'. What does it mean?",
            f"Could you define the word '{word}' for me?",
            f"How would you explain '{word}' to a child?",
            f"I read the word '{word}' today. What {is_or_are} {subject}?",
        ],
    )


def _definition(n: Noun) -> str:
    return f"{cap(phrase(n.word))} {be(n.word)} {n.definition}."


def noun_meaning(rng: random.Random, n: Noun | None = None) -> Turn:
    n = n or rng.choice(lx.NOUNS)
    q = _define_q(rng, n.word, phrase(n.word), be(n.word))
    a = _definition(n)
    roll = rng.random()
    if roll < 0.12:
        a = f"The word '{n.word}' means {n.definition}."
    elif roll < 0.3:
        a += " " + _extra(rng, n)
    elif roll < 0.36:
        a = "Sure. " + a
    elif roll < 0.4:
        a = "Good question. " + a
    return q, a.strip()


def _home(word: str) -> str:
    home = lx.ANIMAL_FACTS[word][1]
    if home.endswith("grassy land"):
        return "in " + home
    if home in ("sea", "cold sea", "jungle", "desert", "garden"):
        return "in the " + home
    if home in ("beach",):
        return "on the " + home
    prep = "on" if home.startswith(("grassy", "farm", "web", "cold icy")) else "in"
    return f"{prep} {lx.article(home)} {home}"


def _facts_of(n: Noun) -> list[str]:
    """Sentences about the noun that begin with the pronoun."""
    w = n.word
    pro, verb = ("They", "are") if n.form == "+" else ("It", "is")
    out: list[str] = []
    if w in lx.USE:
        out.append(f"{pro} {verb} used for {lx.USE[w]}.")
    if w in lx.WHERE_IS:
        out.append(f"You can often find {'them' if n.form == '+' else 'it'} {lx.WHERE_IS[w]}.")
    if w in lx.COLOUR:
        out.append(f"{pro} {verb} usually {lx.COLOUR[w]}.")
    if w in lx.ANIMAL_FACTS:
        sound, _, food, legs = lx.ANIMAL_FACTS[w]
        out.append(f"It lives {_home(w)}.")
        out.append(f"It eats {food}.")
        out.append(f"It has {lx.number_word(legs) if legs else 'no'} legs.")
        if sound != "-":
            out.append(f"It {sound}.")
    return out


def _extra(rng: random.Random, n: Noun) -> str:
    facts = _facts_of(n)
    if facts:
        return pick(rng, facts)
    if n.kind in KIND_ADJ:
        return f"The word '{n.word}' is {KIND_ADJ[n.kind]}."
    if not n.form and n.word not in lx._THE:
        return f"The plural is '{plural(n.word)}'."
    return ""


def tell_about(rng: random.Random, n: Noun | None = None) -> Turn:
    if n is None:
        n = rng.choice(_RICH) if rng.random() < 0.7 else rng.choice(lx.NOUNS)
    thing = phrase(n.word)
    q = pick(
        rng,
        [
            f"What can you tell me about {thing}?",
            f"Tell me something about {thing}.",
            f"What do you know about {thing}?",
            f"Please describe {thing}.",
            f"Describe {thing} in a few words.",
            f"Say a few things about {thing}.",
            f"Can you tell me more about {thing}?",
            f"Give me two facts about {thing}.",
        ],
    )
    facts = _facts_of(n)
    rng.shuffle(facts)
    extra = facts[:2] or [_extra(rng, n)]
    return q, " ".join([_definition(n), *extra]).strip()


def verb_meaning(rng: random.Random) -> Turn:
    v = rng.choice(lx.VERBS)
    q = pick(
        rng,
        [
            f"What does 'to {v.word}' mean?",
            f"What does the verb '{v.word}' mean?",
            f"Explain the verb 'to {v.word}'.",
            f"Define 'to {v.word}'.",
            f"What is the meaning of 'to {v.word}'?",
            f"Tell me what '{v.word}' means.",
            f"What do we do when we {v.word}?" if v.word in _INTRANS else f"What does '{v.word}' mean?",
            f"Can you explain the word '{v.word}'?",
            f"How would you explain the verb '{v.word}'?",
        ],
    )
    a = f"To {v.word} means to {v.definition}."
    roll = rng.random()
    if roll < 0.25:
        a += f" The past tense is '{v.past}'."
    elif roll < 0.45 and v.word not in _NO_FRAME:
        a += f" For example: {_verb_sentence(rng, v)}"
    elif roll < 0.55:
        a = f"The verb '{v.word}' means to {v.definition}."
    return q, a


def adjective_meaning(rng: random.Random) -> Turn:
    if rng.random() < 0.25:
        w, d = rng.choice(lx.ADVERBS)
        return _define_q(rng, w, f"the meaning of '{w}'", "is"), f"The word '{w}' means {d}."
    adj = rng.choice(lx.ADJECTIVES)
    q = pick(
        rng,
        [
            f"What does '{adj.word}' mean?",
            f"What does the word '{adj.word}' mean?",
            f"Explain the word '{adj.word}'.",
            f"Define '{adj.word}'.",
            f"What is the meaning of '{adj.word}'?",
            f"Tell me what '{adj.word}' means.",
            f"When do we say that something or someone is {adj.word}?",
            f"Can you explain '{adj.word}'?",
        ],
    )
    a = f"The word '{adj.word}' means {adj.definition}."
    if adj.opposite and rng.random() < 0.4:
        a += f" The opposite of '{adj.word}' is '{adj.opposite}'."
    elif rng.random() < 0.3:
        a += f" For example: {_adjective_sentence(rng, adj.word)}"
    return q, a


def is_a(rng: random.Random) -> Turn:
    kind = rng.choice(_STRICT_KINDS)
    n = rng.choice(_SAFE[kind])
    asked = kind if rng.random() < 0.5 else _other_kind(rng, kind)
    label, own = STRICT[asked][0], STRICT[kind][0]
    thing = phrase(n.word)
    verb = be(n.word)
    if n.form == "+":
        label = {"a tool": "tools", "a piece of clothing": "clothes"}.get(label, STRICT[asked][1])
        own = {"a tool": "tools", "a piece of clothing": "clothes"}.get(own, STRICT[kind][1])
    q = pick(
        rng,
        [
            f"{cap(verb)} {thing} {label}?",
            f"Would you call {thing} {label}?",
            f"Can you say that {thing} {verb} {label}?",
            f"Is it true that {thing} {verb} {label}?",
            f"I think {thing} {verb} {label}. Is that right?",
            f"Yes or no: {verb} {thing} {label}?",
            f"Tell me, {verb} {thing} {label}?",
        ],
    )
    pro = "They are" if n.form == "+" else "It is"
    if asked == kind:
        a = pick(
            rng,
            [
                f"Yes, {thing} {verb} {own}. {pro} {n.definition}.",
                f"Yes, {thing} {verb} {own}.",
                f"Yes, that is right. {cap(thing)} {verb} {n.definition}.",
            ],
        )
    else:
        a = pick(
            rng,
            [
                f"No, {thing} {verb} {own}.",
                f"No, {thing} {verb} not {label}. {pro} {own}.",
                f"No, {thing} {verb} {own}. {pro} {n.definition}.",
            ],
        )
    return q, a


def which_is(rng: random.Random) -> Turn:
    kind = rng.choice(_STRICT_KINDS)
    n = rng.choice([m for m in _SAFE[kind] if m.form != "+"])
    words = [n.word]
    while len(words) < 3:
        m = rng.choice([x for x in _SAFE[_other_kind(rng, kind)] if x.form != "+"])
        if m.word not in words:
            words.append(m.word)
    rng.shuffle(words)
    label = STRICT[kind][0]
    q = pick(
        rng,
        [
            f"Which of these is {label}: {words[0]}, {words[1]}, or {words[2]}?",
            f"{cap(words[0])}, {words[1]}, {words[2]}: which one is {label}?",
            f"Which word names {label}: {words[0]}, {words[1]} or {words[2]}?",
            f"Find {label} in this list: {words[0]}, {words[1]}, {words[2]}.",
        ],
    )
    thing = cap(phrase(n.word))
    return q, pick(
        rng,
        [
            f"{thing} is {label}.",
            f"The answer is {n.word}, because {thing[0].lower() + thing[1:]} is {label}.",
            f"{thing} is {label}. It is {n.definition}.",
        ],
    )


def odd_one(rng: random.Random) -> Turn:
    kind = rng.choice(_STRICT_KINDS)
    other = _other_kind(rng, kind)
    same = [n.word for n in rng.sample([m for m in _SAFE[kind] if m.form != "+"], 3)]
    odd = rng.choice([m for m in _SAFE[other] if m.form != "+"]).word
    words = [*same, odd]
    rng.shuffle(words)
    text = f"{words[0]}, {words[1]}, {words[2]}, {words[3]}"
    q = pick(
        rng,
        [
            f"Which word does not belong: {text}?",
            f"Find the odd one out: {text}.",
            f"One of these words does not fit: {text}. Which one?",
            f"Which one is different: {text}?",
        ],
    )
    many = STRICT[kind][1]
    return q, pick(
        rng,
        [
            f"The word '{odd}' does not belong, because the others are {many}.",
            f"The odd one out is {odd}. It is {STRICT[other][0]}, and the others are {many}.",
            f"It is '{odd}'. The other three are {many}.",
        ],
    )


def name_three(rng: random.Random) -> Turn:
    kind = rng.choice(_STRICT_KINDS)
    many = STRICT[kind][1]
    count = 2 if rng.random() < 0.25 else 3
    ws = [phrase(n.word) for n in rng.sample(_SAFE[kind], count)]
    number = lx.number_word(count)
    q = pick(
        rng,
        [
            f"Name {number} {many}.",
            f"Can you name {number} {many}?",
            f"Tell me {number} {many}.",
            f"Give me {number} examples of {many}.",
            f"I need the names of {number} {many}.",
            f"Please list {number} {many}.",
        ],
    )
    text = f"{ws[0]} and {ws[1]}" if count == 2 else f"{ws[0]}, {ws[1]} and {ws[2]}"
    return q, pick(
        rng,
        [
            f"{cap(text)} are {many}.",
            f"Here are {number} {many}: {text}.",
            f"{cap(number)} {many} are {text}.",
        ],
    )


def opposite(rng: random.Random) -> Turn:
    w, o = rng.choice(lx.OPPOSITES)
    q = pick(
        rng,
        [
            f"What is the opposite of '{w}'?",
            f"What is the opposite of {w}?",
            f"Which word is the opposite of '{w}'?",
            f"Give me the opposite of '{w}'.",
            f"Tell me the opposite of {w}.",
            f"'{cap(w)}' is one word. What is its opposite?",
            f"Do you know the opposite of '{w}'?",
            f"Find a word that means the opposite of '{w}'.",
        ],
    )
    return q, pick(
        rng,
        [
            f"The opposite of '{w}' is '{o}'.",
            f"The opposite of {w} is {o}.",
            f"It is '{o}', the opposite of '{w}'.",
            f"'{cap(o)}' is the opposite of '{w}'.",
        ],
    )


def plural_of(rng: random.Random) -> Turn:
    if rng.random() < 0.3:
        w = rng.choice(list(lx.IRREGULAR_PLURALS))
    else:
        w = rng.choice(_COUNT).word
    p = plural(w)
    q = pick(
        rng,
        [
            f"What is the plural of '{w}'?",
            f"What is the plural of {w}?",
            f"How do you say '{w}' in the plural?",
            f"Give me the plural form of '{w}'.",
            f"One {w}, two what?",
            f"Tell me the plural of '{w}'.",
            f"What do we call more than one {w}?",
        ],
    )
    a = f"The plural of '{w}' is '{p}'."
    if q.startswith("One "):
        a = f"One {w}, two {p}."
    elif rng.random() < 0.3:
        a = f"It is '{p}': one {w}, two {p}."
    elif p == w and rng.random() < 0.5:
        a += " The word does not change."
    return q, a


def verb_forms(rng: random.Random) -> Turn:
    v = rng.choice(lx.VERBS)
    w = v.word
    roll = rng.random()
    if roll < 0.6:
        q = pick(
            rng,
            [
                f"What is the past tense of '{w}'?",
                f"What is the past tense of {w}?",
                f"What is the past form of '{w}'?",
                f"Give me the past tense of 'to {w}'.",
                f"How do you say '{w}' in the past?",
                f"Today I {w}. What did I do yesterday?" if w in _INTRANS else f"Tell me the past tense of '{w}'.",
            ],
        )
        if q.startswith("Today"):
            return q, f"Yesterday you {v.past}."
        return q, pick(
            rng,
            [
                f"The past tense of '{w}' is '{v.past}'.",
                f"It is '{v.past}'. The verb is 'to {w}'.",
                f"In the past, '{w}' becomes '{v.past}'.",
            ],
        )
    if roll < 0.8:
        q = pick(
            rng,
            [
                f"What is the -ing form of '{w}'?",
                f"How do you write '{w}' with -ing?",
                f"Add -ing to the verb '{w}'.",
            ],
        )
        return q, pick(rng, [f"The -ing form of '{w}' is '{lx.ing(w)}'.", f"With -ing, '{w}' becomes '{lx.ing(w)}'."])
    pro = pick(rng, ["he", "she", "it"])
    q = pick(
        rng,
        [
            f"Which form of '{w}' goes with '{pro}'?",
            f"What is the form of 'to {w}' after '{pro}'?",
            f"We say 'I {w}'. What do we say with '{pro}'?",
        ],
    )
    return q, pick(rng, [f"We say '{pro} {lx.third(w)}'.", f"The form after '{pro}' is '{lx.third(w)}'."])


_COMPARABLE = [a for a in lx.ADJECTIVES if lx.compared(a.word)]


def adjective_forms(rng: random.Random) -> Turn:
    w = rng.choice(_COMPARABLE).word
    more, most = lx.compared(w) or ("", "")
    q = pick(
        rng,
        [
            f"What are the other forms of '{w}'?",
            f"How do you compare with the word '{w}'?",
            f"Give me the three forms of the adjective '{w}'.",
            f"What comes after '{w}': {w}, ...?",
        ],
    )
    return q, pick(
        rng,
        [f"The forms are '{w}', '{more}' and '{most}'.", f"We say '{w}', then '{more}' and then '{most}'."],
    )


def colour(rng: random.Random, word: str | None = None) -> Turn:
    w, c = rng.choice(lx.COLOURS)
    thing, verb = phrase(w), be(w)
    if rng.random() < 0.2 and not lx.is_plural(w):
        return (
            pick(
                rng,
                [
                    f"Name something that is {c}.",
                    f"What is usually {c}?",
                    f"Can you think of a thing that is {c}?",
                ],
            ),
            f"{cap(thing)} {verb} usually {c}.",
        )
    q = pick(
        rng,
        [
            f"What colour {verb} {thing}?",
            f"Which colour {verb} {thing}?",
            f"Tell me the colour of {thing}.",
            f"What is the colour of {thing}?",
            f"Do you know what colour {thing} {verb}?",
            f"What colour {verb} {thing} most of the time?",
        ],
    )
    return q, pick(
        rng,
        [
            f"{cap(thing)} {verb} usually {c}.",
            f"{cap(thing)} {verb} {c}.",
            f"Most of the time, {thing} {verb} {c}.",
        ],
    )


_KEEP_NOT = (
    "in the sky",
    "on a farm",
    "in a hospital",
    "in a court",
    "at ",
    "in a school",
    "on a playground",
    "in a library",
)


def where(rng: random.Random) -> Turn:
    w, p = rng.choice(lx.WHERE)
    thing = phrase(w)
    find = [
        f"Where can I find {thing}?",
        f"Where do you usually find {thing}?",
        f"Where would you look for {thing}?",
        f"In which place do you find {thing}?",
        f"Where {be(w)} {thing} usually found?",
        f"Where should I look for {thing}?",
    ]
    keep = [f"Where do you keep {thing}?", f"Where do people keep {thing}?", f"Where should I keep {thing}?"]
    q = pick(rng, find if p.startswith(_KEEP_NOT) else find + keep)
    if "keep" in q and rng.random() < 0.6:
        return q, f"People usually keep {thing} {p}."
    return q, pick(rng, [f"You can find {thing} {p}.", f"You will usually find {thing} {p}.", f"Look for {thing} {p}."])


def job(rng: random.Random) -> Turn:
    w, does = rng.choice(lx.JOBS)
    roll = rng.random()
    a_job = f"{lx.article(w)} {w}"
    if roll < 0.15:
        thing, who = rng.choice(lx.FIXERS)
        q = pick(
            rng,
            [
                f"Who fixes {thing}?",
                f"Who can help me with {thing}?",
                f"Whom should I call about {thing}?",
                f"I have {thing}. Who can repair it?" if thing != "bent glasses" else f"Who repairs {thing}?",
            ],
        )
        wf = f"{lx.article(who)} {who}"
        return q, pick(
            rng,
            [
                f"{cap(wf)} can fix {thing}.",
                f"You should call {wf}.",
                f"{cap(wf)} {lx.JOB[who]}, so call {wf}.",
            ],
        )
    if roll < 0.45:
        q = pick(rng, [f"Who {does}?", f"Which worker {does}?", f"What do you call a person who {does}?"])
        return q, pick(rng, [f"{cap(a_job)} {does}.", f"A person who {does} is called {a_job}."])
    q = pick(
        rng,
        [
            f"What does {a_job} do?",
            f"What is the job of {a_job}?",
            f"What work does {a_job} do?",
            f"Explain what {a_job} does.",
            f"Tell me about the work of {a_job}.",
            f"What does {a_job} do at work?",
            f"My aunt is {a_job}. What does she do?",
        ],
    )
    if q.startswith("My aunt") and does.endswith("out") is False and w not in ("postman", "fisherman", "removal man"):
        return q, f"Your aunt is {a_job}, so she {does}."
    return q.replace("My aunt is", "My uncle is").replace("does she", "does he"), pick(
        rng, [f"{cap(a_job)} {does}.", f"{cap(a_job)} is a person who {does}."]
    )


def use(rng: random.Random) -> Turn:
    w, u = rng.choice(lx.USES)
    thing, verb = phrase(w), be(w)
    if rng.random() < 0.3:
        q = pick(
            rng,
            [
                f"What do I need for {u}?",
                f"What do people use for {u}?",
                f"Which thing is used for {u}?",
                f"What is good for {u}?",
            ],
        )
        return q, pick(
            rng,
            [
                f"{cap(thing)} {verb} used for {u}.",
                f"You can use {thing} for {u}.",
                f"People use {thing} for {u}.",
            ],
        )
    do = "do" if verb == "are" else "does"
    q = pick(
        rng,
        [
            f"What {verb} {thing} used for?",
            f"What can you do with {thing}?",
            f"Why do people use {thing}?",
            f"What do you use {thing} for?",
            f"What {verb} {thing} good for?",
            f"What {do} people need {thing} for?".replace("does", "do"),
            f"Tell me what {thing} {verb} for.",
        ],
    )
    a = pick(
        rng,
        [
            f"{cap(thing)} {verb} used for {u}.",
            f"People use {thing} for {u}.",
            f"You can use {thing} for {u}.",
        ],
    )
    return q, a


def capital(rng: random.Random) -> Turn:
    c, t = rng.choice(lx.CAPITALS)
    if rng.random() < 0.3:
        q = pick(
            rng,
            [
                f"Which country has {t} as its capital?",
                f"{t} is the capital of which country?",
                f"Of which country is {t} the capital?",
            ],
        )
    else:
        q = pick(
            rng,
            [
                f"What is the capital of {c}?",
                f"Which city is the capital of {c}?",
                f"Name the capital of {c}.",
                f"Do you know the capital of {c}?",
                f"Tell me the capital city of {c}.",
                f"What is the capital city of {c} called?",
            ],
        )
    return q, pick(
        rng,
        [
            f"The capital of {c} is {t}.",
            f"{t} is the capital of {c}.",
            f"The capital city of {c} is called {t}.",
        ],
    )


def order(rng: random.Random) -> Turn:
    roll = rng.random()
    if roll < 0.5:
        n = rng.randrange(1, 100)
        if rng.random() < 0.5:
            return (
                pick(
                    rng,
                    [
                        f"Which number comes after {n}?",
                        f"What comes after {n}?",
                        f"What is the next number after {n}?",
                    ],
                ),
                pick(rng, [f"The number after {n} is {n + 1}.", f"After {n} comes {n + 1}."]),
            )
        if rng.random() < 0.5:
            return (
                pick(rng, [f"Which number comes before {n}?", f"What number is just before {n}?"]),
                f"The number before {n} is {n - 1}.",
            )
        return (
            pick(
                rng,
                [
                    f"Write the number {n} in words.",
                    f"How do you write {n} in words?",
                    f"What is {n} in words?",
                ],
            ),
            pick(
                rng,
                [
                    f"The number {n} is written '{lx.number_word(n)}'.",
                    f"In words, {n} is {lx.number_word(n)}.",
                ],
            ),
        )
    name, seq = rng.choice([("month", lx.MONTHS), ("day", lx.DAYS), ("season", lx.SEASONS)])
    i = rng.randrange(len(seq))
    if name == "month" and rng.random() < 0.3:
        nth = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()[i]
        return (
            pick(rng, [f"What is the {nth} month of the year?", f"Which month is the {nth} one?"]),
            f"The {nth} month of the year is {seq[i]}.",
        )
    if rng.random() < 0.6:
        nxt = seq[(i + 1) % len(seq)]
        return (
            pick(
                rng,
                [
                    f"Which {name} comes after {seq[i]}?",
                    f"What comes after {seq[i]}?",
                    f"What is the next {name} after {seq[i]}?",
                ],
            ),
            pick(
                rng,
                [
                    f"{cap(nxt)} comes after {seq[i]}.",
                    f"The {name} after {seq[i]} is {nxt}.",
                    f"After {seq[i]} comes {nxt}.",
                ],
            ),
        )
    prev = seq[i - 1]
    return (
        pick(rng, [f"Which {name} comes before {seq[i]}?", f"What comes before {seq[i]}?"]),
        pick(rng, [f"{cap(prev)} comes before {seq[i]}.", f"The {name} before {seq[i]} is {prev}."]),
    )


def arithmetic(rng: random.Random) -> Turn:
    op = rng.randrange(4)
    if op == 0:
        a = rng.randrange(1, 99)
        b = rng.randrange(1, 101 - a)
        sym, name, c = "+", "plus", a + b
    elif op == 1:
        a = rng.randrange(2, 101)
        b = rng.randrange(1, a + 1)
        sym, name, c = "-", "minus", a - b
    elif op == 2:
        a, b = rng.randrange(1, 11), rng.randrange(1, 11)
        sym, name, c = "x", "times", a * b
    else:
        n = rng.choice(_COUNT_THINGS)
        a, b = rng.randrange(2, 20), rng.randrange(2, 20)
        many = plural(n.word)
        if rng.random() < 0.5 or a <= b:
            q = pick(
                rng,
                [
                    f"I have {a} {many} and buy {b} more. How many {many} do I have?",
                    f"There are {a} {many} on the table. I add {b} more. How many {many} are there now?",
                ],
            )
            return q, pick(
                rng,
                [
                    f"You have {a + b} {many}, because {a} plus {b} is {a + b}.",
                    f"{a} plus {b} is {a + b}, so there are {a + b} {many}.",
                ],
            )
        q = f"I have {a} {many} and give away {b}. How many {many} are left?"
        left = a - b
        noun = n.word if left == 1 else many
        return q, f"{a} minus {b} is {left}, so {left} {noun} {'is' if left == 1 else 'are'} left."
    q = pick(
        rng,
        [
            f"What is {a} {name} {b}?",
            f"What is {a} {sym} {b}?",
            f"How much is {a} {name} {b}?",
            f"Work out {a} {sym} {b}.",
            f"Can you tell me what {a} {name} {b} is?",
            f"{a} {sym} {b} = ?",
        ],
    )
    return q, pick(
        rng,
        [
            f"{a} {name} {b} is {c}.",
            f"The answer is {c}.",
            f"{a} {sym} {b} = {c}.",
            f"It is {c}, because {a} {name} {b} is {c}.",
        ],
    )


_COUNT_THINGS = [
    n
    for k in ("fruit", "kitchen thing", "toy or game", "tool", "school word", "flower")
    for n in lx.BY_KIND[k]
    if not n.form
    and n.definition.split()[0] in ("a", "an")
    and n.word
    not in (
        "swing",
        "slide",
        "oven",
        "fridge",
        "freezer",
        "stove",
        "sink",
        "lesson",
        "exam",
        "student",
        "pupil",
    )
][:95]


def counting(rng: random.Random) -> Turn:
    roll = rng.random()
    if roll < 0.4:
        q, a = rng.choice(lx.UNITS)
        return pick(
            rng,
            [
                q,
                "Tell me: " + q[0].lower() + q[1:],
                "Do you know this? " + q,
                "Quick question: " + q[0].lower() + q[1:],
            ],
        ), a
    if roll < 0.7:
        start, k = rng.randrange(1, 60), rng.randrange(3, 7)
        step = rng.choice([1, 1, 2, 5, 10])
        nums = [start + i * step for i in range(k + 1)]
        text = ", ".join(map(str, nums[:-1])) + f" and {nums[-1]}"
        by = f" in steps of {step}" if step > 1 else ""
        return f"Count from {nums[0]} to {nums[-1]}{by}.", f"Here you are: {text}."
    w = rng.choice(_SINGLE_WORDS)
    k = len(w)
    q = pick(
        rng,
        [
            f"How many letters are in the word '{w}'?",
            f"Count the letters of '{w}'.",
            f"How many letters does '{w}' have?",
        ],
    )
    unit = "letter" if k == 1 else "letters"
    return q, pick(
        rng,
        [
            f"The word '{w}' has {lx.number_word(k)} {unit}.",
            f"There are {lx.number_word(k)} letters in '{w}'.",
        ],
    )


def compare(rng: random.Random) -> Turn:
    comp, seq = rng.choice(lx.SCALES)
    i, j = sorted(rng.sample(range(len(seq)), 2))
    x, y = phrase(seq[i]), phrase(seq[j])
    first, second = (x, y) if rng.random() < 0.5 else (y, x)
    if rng.random() < 0.3:
        q = pick(rng, [f"Is {first} {comp} than {second}?", f"Would you say that {first} is {comp} than {second}?"])
        return q, (f"Yes, {x} is {comp} than {y}." if first == x else f"No, {x} is {comp} than {y}.")
    q = pick(
        rng,
        [
            f"Which is {comp}, {first} or {second}?",
            f"What is {comp}: {first} or {second}?",
            f"Tell me which is {comp}, {first} or {second}.",
        ],
    )
    return q, pick(rng, [f"{cap(x)} is {comp} than {y}.", f"{cap(x)} is {comp}."])


def why(rng: random.Random) -> Turn:
    q, a = rng.choice(lx.WHY)
    lead = pick(rng, ["Why", "Why", "Can you tell me why", "Do you know why", "Please explain why", "I wonder why"])
    if lead == "Why":
        text = f"Why {q}?"
    else:
        verb, _, rest = q.partition(" ")
        if verb == "do":
            text = f"{lead} {rest}"
        else:
            text = f"Tell me: why {q}"
        text += "." if text.startswith(("Please", "I wonder")) else "?"
    return text, pick(rng, [f"Because {a}.", f"{cap(a)}.", f"The reason is that {a}.", f"That is because {a}."])


def how_to(rng: random.Random) -> Turn:
    task, steps = rng.choice(lx.HOW_TO)
    q = pick(
        rng,
        [
            f"How do I {task}?",
            f"How do you {task}?",
            f"Tell me how to {task}.",
            f"How can I {task}?",
            f"Explain how to {task}.",
            f"What are the steps to {task}?",
            f"I want to {task}. What should I do?",
            f"Can you tell me how to {task}?",
        ],
    )
    if len(steps) == 2:
        a = f"First, {steps[0]}. Then {steps[1]}."
    else:
        a = pick(
            rng,
            [
                f"First, {steps[0]}. Then {steps[1]}. At the end, {steps[2]}.",
                f"First, {steps[0]}. Next, {steps[1]}. Then {steps[2]}.",
                f"{cap(steps[0])}. After that, {steps[1]}. Finally, {steps[2]}.",
            ],
        )
    return q, a


def animal_fact(rng: random.Random) -> Turn:
    w = rng.choice(_ANIMALS)
    sound, _, food, legs = lx.ANIMAL_FACTS[w]
    x = phrase(w)
    roll = rng.random()
    if roll < 0.25 and sound != "-":
        return (
            pick(rng, [f"What sound does {x} make?", f"How does {x} sound?", f"What noise does {x} make?"]),
            f"{cap(x)} {sound}.",
        )
    if roll < 0.5:
        return (
            pick(rng, [f"Where does {x} live?", f"What is the home of {x}?", f"Where is {x} at home?"]),
            f"{cap(x)} lives {_home(w)}.",
        )
    if roll < 0.75:
        return (
            pick(rng, [f"What does {x} eat?", f"What is the food of {x}?", f"What do {plural(w)} eat?"]),
            f"{cap(x)} eats {food}.",
        )
    num = lx.number_word(legs) if legs else "no"
    return pick(
        rng, [f"How many legs does {x} have?", f"Tell me how many legs {x} has.", f"Count the legs of {x}."]
    ), f"{cap(x)} has {num} legs."


_ANIMALS = list(lx.ANIMAL_FACTS)

_INTRANS = frozenset(
    """agree argue talk complain worry apologise listen look lie wait stand sit sleep wake dream rest think learn study
read write draw paint count speak whisper shout fall climb jump run walk crawl swim dive fly ride drive travel arrive leave go come
stay eat drink cook bake sew knit laugh smile cry yawn sneeze cough breathe hunt hide win play sing dance help cheat fight hope wish
float sink work retire type continue finish start begin stop improve pay call answer forget laugh dress iron guess spell enter
listen share rise spend save earn grow join love hate""".split()
)
_PEOPLE = frozenset(
    "teach tell invite visit meet marry greet thank warn rescue protect encourage admire trust forgive hire feed dress".split()
)
_NO_FRAME = frozenset(
    """fear owe seek know freeze melt shine ring flow burn blow grow sink rise float smell fall love hate see hear
believe understand cry laugh increase say destroy steal hurt divide add wake dream cough sneeze lose bite retire lie water spend
earn breathe cheat fight dress iron hold""".split()
)


def _verb_sentence(rng: random.Random, v: Verb) -> str:
    vo = v.word if v.word in _INTRANS else f"{v.word} {'them' if v.word in _PEOPLE else 'it'}"
    po = v.past + vo[len(v.word) :]
    return pick(
        rng,
        [
            f"We want to {vo} today.",
            f"My sister asked me to {vo}.",
            f"They decided to {vo} after lunch.",
            f"She forgot to {vo} yesterday.",
            f"You do not have to {vo} now.",
            f"I hope to {vo} next week.",
            f"He {po} this morning.",
            f"We {po} together last Sunday.",
            f"Anna {po} before dinner.",
            f"Please do not {vo} without me.",
            f"The boy wanted to {vo} again.",
        ],
    )


_PERSON_ADJ = frozenset(
    """happy sad angry brave afraid shy bold kind cruel polite rude honest clever wise foolish lazy busy tired sick healthy
hungry thirsty careful careless patient generous selfish proud jealous lonely nervous excited grateful curious stubborn friendly helpful
asleep awake alive young rich famous guilty innocent""".split()
)
_THING_ADJ = frozenset(
    """big small long short wide narrow thick thin heavy light hot cold warm cool wet dry new old hard soft rough smooth sharp blunt
clean dirty full empty cheap expensive interesting boring strange broken round flat useful beautiful ugly""".split()
)


def _adjective_sentence(rng: random.Random, w: str) -> str:
    if w in _PERSON_ADJ:
        return pick(
            rng,
            [
                f"My brother is {w} today.",
                f"The girl next door is {w}.",
                f"Are you {w}, too?",
                f"The old man was {w} all day.",
                f"She felt {w} after the meeting."
                if w not in ("asleep", "awake", "alive")
                else f"The baby is {w} now.",
                f"The children were {w} when we came home.",
                f"He did not look {w} to me.",
                f"I am not {w} at the moment.",
            ],
        )
    if w in _THING_ADJ:
        x = rng.choice(_OBJECTS).word
        return pick(
            rng,
            [
                f"The {x} is very {w}.",
                f"This {x} is {w}, but that one is not.",
                f"My {x} is too {w}.",
                f"They found {lx.article(w)} {w} {x}.",
                f"I would like {lx.article(w)} {w} {x}.",
                f"Is your {x} {w}?",
                f"She gave me {lx.article(w)} {w} {x}.",
                f"We saw {lx.article(w)} {w} {x} in the shop.",
            ],
        )
    return pick(
        rng,
        [
            f"Everyone said that it was {w}.",
            f"It looked {w} to me.",
            f"I did not know that it was {w}.",
            f"It was not {w} yesterday.",
            f"My friend told me that it is {w}.",
            f"We were surprised that it was {w}.",
            f"Are you sure that it is {w}?",
            f"I think it is {w}.",
        ],
    )


_OBJECTS = [
    n
    for k in (
        "tool",
        "kitchen thing",
        "piece of furniture",
        "small thing to wear or carry",
        "piece of clothing",
        "toy or game",
    )
    for n in lx.BY_KIND[k]
    if not n.form
]
_FRAMES: dict[str, list[str]] = {
    "living": [
        "We saw {a} near the house.",
        "The {w} ran away when it heard us.",
        "My sister drew a picture of {a}.",
        "There are many {p} in this story.",
        "Have you ever seen {a}?",
        "The {w} was looking for food.",
        "I read a book about {p}.",
        "Two {p} lived in the old garden.",
        "A child pointed at the {w}.",
    ],
    "plant": [
        "We planted {a} behind the house.",
        "The {w} grew very well this year.",
        "I took a picture of {a}.",
        "There are many {p} in the park.",
        "The {w} is growing beside the gate.",
        "She knows a lot about {p}.",
        "Have you seen the {w} in the garden?",
        "My aunt painted {a}.",
    ],
    "edible": [
        "I would like {a}, please.",
        "She bought {a} at the market.",
        "We have no more {p} at home.",
        "He put the {w} on the table.",
        "My brother likes {p}.",
        "There was one {w} left in the bowl.",
        "Would you like {a}?",
        "The {w} tasted very good.",
    ],
    "object": [
        "I cannot find my {w}.",
        "She bought {a} at the market.",
        "The {w} is on the table.",
        "He gave me {a} for my birthday.",
        "There are two {p} in the box.",
        "Can I borrow your {w}?",
        "This {w} is old, but it works well.",
        "We need a new {w}.",
        "My father keeps the {w} in the cellar.",
    ],
    "vehicle": [
        "We saw {a} in the distance.",
        "The {w} stopped near the bridge.",
        "He would like to travel by {w}.",
        "There were three {p} in front of us.",
        "The {w} was old and slow.",
        "She has a picture of {a} on her wall.",
        "The children waved at the {w}.",
        "Is that your {w}?",
    ],
    "place": [
        "We met in front of the {w}.",
        "There is {a} near our home.",
        "She drew a map of the {w}.",
        "The {w} was quiet in the morning.",
        "I have never seen such a large {w}.",
        "They walked past the {w}.",
        "There are two {p} in this picture.",
        "My uncle took us to {a}.",
    ],
    "person": [
        "My neighbour is {a}.",
        "The {w} smiled at the children.",
        "I spoke to the {w} yesterday.",
        "She wrote a story about {a}.",
        "Two {p} were waiting outside.",
        "The {w} asked me a question.",
        "We thanked the {w} for the help.",
        "Do you know the {w}?",
    ],
    "body": [
        "The doll has a small {w}.",
        "He drew the {w} first and the rest later.",
        "The word for this part is {w}.",
        "She learned where the {w} is.",
        "We talked about the {w} in school.",
        "The picture shows {a}.",
        "The puppet has a wooden {w}.",
        "The teacher pointed to the {w} on the chart.",
    ],
    "idea": [
        "We talked about the {w} for a long time.",
        "She told me about {a}.",
        "This {w} is important to me.",
        "He tried to describe the {w}.",
        "There was only one {w}.",
        "I wrote about {a} in my notebook.",
        "Do you remember the {w}?",
        "They had a question about the {w}.",
        "I showed them a picture of {a}.",
    ],
    "mass": [
        "There is not much {w} here.",
        "They talked about {w} at school.",
        "We need some {w}.",
        "She knows a lot about {w}.",
        "There was {w} everywhere.",
        "He wrote a story about {w}.",
        "Is there any {w} left?",
        "I have never thought much about {w}.",
        "The book is full of facts about {w}.",
    ],
    "pair": [
        "I cannot find my {w}.",
        "These {w} are new.",
        "She bought some {w} in town.",
        "Where are the {w}?",
        "The {w} are on the chair.",
        "He needs {w} for this job.",
        "Your {w} are in the drawer.",
        "We have no {w} at home.",
    ],
}
_FRAME_OF = {
    "animal": "living",
    "bird": "living",
    "fish": "living",
    "insect": "living",
    "tree": "plant",
    "flower": "plant",
    "plant": "plant",
    "plant part": "idea",
    "fruit": "edible",
    "vegetable": "edible",
    "food": "edible",
    "drink": "edible",
    "tool": "object",
    "kitchen thing": "object",
    "piece of furniture": "object",
    "thing in the house": "object",
    "piece of clothing": "object",
    "small thing to wear or carry": "object",
    "musical instrument": "object",
    "vehicle": "vehicle",
    "place": "place",
    "job": "person",
    "person": "person",
    "part of the body": "body",
    "toy or game": "object",
    "part of a vehicle": "object",
}


def _noun_sentence(rng: random.Random, n: Noun) -> str:
    key = {"~": "mass", "+": "pair"}.get(n.form) or _FRAME_OF.get(n.kind, "idea")
    return pick(rng, _FRAMES[key]).format(a=phrase(n.word), w=n.word, p=plural(n.word))


def sentence_with(rng: random.Random, n: Noun | None = None) -> Turn:
    roll = rng.random()
    if n is not None or roll < 0.65:
        n = n or rng.choice(lx.NOUNS)
        w, s = n.word, _noun_sentence(rng, n)
    elif roll < 0.82:
        v = rng.choice(_FRAME_VERBS)
        w, s = (
            v.word,
            f"We will {v.word}{'' if v.word in _INTRANS else (' them' if v.word in _PEOPLE else ' it')} tomorrow.",
        )
        if rng.random() < 0.9:
            while True:
                s = _verb_sentence(rng, v)
                if v.word in s.rstrip(".").split():
                    break
    else:
        w = rng.choice(lx.ADJECTIVES).word
        s = _adjective_sentence(rng, w)
    q = pick(
        rng,
        [
            f"Use the word '{w}' in a sentence.",
            f"Make a sentence with '{w}'.",
            f"Can you write a sentence with the word '{w}'?",
            f"Give me an example with '{w}'.",
            f"Write a short sentence with '{w}'.",
            f"How do you use '{w}' in a sentence?",
            f"Please use '{w}' in one sentence.",
        ],
    )
    return q, pick(rng, [s, s, f"Here is a sentence with '{w}': {s}"])


_FRAME_VERBS = [v for v in lx.VERBS if v.word not in _NO_FRAME]


def refer(rng: random.Random) -> Turn:
    """A user message with a small story whose unknown word is explained in the answer."""
    n = rng.choice(lx.NOUNS)
    s = _noun_sentence(rng, n)
    q = pick(
        rng,
        [
            f"My teacher wrote: \"{s}\" What does '{n.word}' mean?",
            f"I read this sentence: \"{s}\" What does '{n.word}' mean here?",
            f"\"{s}\" I do not understand the word '{n.word}'.",
            f"Please explain '{n.word}' in this sentence: \"{s}\"",
            f"In the sentence \"{s}\" there is the word '{n.word}'. Can you explain it?",
        ],
    )
    return q, pick(
        rng,
        [
            f"In your sentence, '{n.word}' means {n.definition}.",
            f"The word '{n.word}' in \"{s}\" means {n.definition}.",
            f"You asked about '{n.word}'. It means {n.definition}.",
        ],
    )


def guess(rng: random.Random) -> Turn:
    n = rng.choice(lx.NOUNS)
    q = pick(
        rng,
        [
            f"Which word means '{n.definition}'?",
            f"What do you call {n.definition}?",
            f"I am looking for a word. It means: {n.definition}.",
            f"What is the word for {n.definition}?",
            f"Guess the word: {n.definition}.",
        ],
    )
    return q, pick(
        rng,
        [
            f"The word is '{n.word}'.",
            f"You mean '{n.word}'. {_definition(n)}",
            f"That {'are' if n.form == '+' else 'is'} {phrase(n.word)}."
            if n.form != "+"
            else f"The word is '{n.word}'.",
            f"The word for {n.definition} is '{n.word}'.",
        ],
    )


def echo(rng: random.Random) -> Turn:
    roll = rng.randrange(10)
    w = rng.choice(_SINGLE_WORDS)
    if roll == 0:
        ws = ", ".join(rng.sample(lx.ALL_WORDS, rng.randrange(2, 6)))
        return pick(rng, ["Repeat these words: ", "Say these words again: ", "Copy this list: "]) + ws + ".", cap(
            ws
        ) + "."
    if roll == 1:
        return pick(
            rng,
            [
                f"Write the word '{w}' in capitals.",
                f"Write '{w}' in capital letters.",
                f"Put '{w}' in big letters.",
            ],
        ), w.upper()
    if roll == 2:
        s = _noun_sentence(rng, rng.choice(lx.NOUNS))
        words = s.rstrip(".?").replace(",", "").split()
        last = rng.random() < 0.4
        pos, found = ("last", words[-1]) if last else ("first", words[0])
        return f"What is the {pos} word of '{s}'?", f"The {pos} word is '{found}'."
    if roll == 3:
        return pick(rng, [f"Spell {w}.", f"How do you spell '{w}'?", f"Please spell the word '{w}'."]), "-".join(w)
    if roll == 4:
        ws = rng.sample(_SINGLE_WORDS, rng.randrange(3, 5))
        text = ", ".join(sorted(ws, key=str.lower))
        return f"Put these words in alphabetical order: {', '.join(ws)}.", pick(
            rng, [f"{cap(text)}.", f"In alphabetical order: {text}."]
        )
    if roll == 5:
        while True:
            x, y = rng.sample(_SINGLE_WORDS, 2)
            if len(x) != len(y):
                break
        longer, shorter = (x, y) if len(x) > len(y) else (y, x)
        if rng.random() < 0.7:
            return (
                f"Which word is longer, '{x}' or '{y}'?",
                f"The word '{longer}' is longer than '{shorter}'.",
            )
        return f"Which word is shorter, '{x}' or '{y}'?", f"The word '{shorter}' is shorter than '{longer}'."
    if roll == 6:
        s = (
            _noun_sentence(rng, rng.choice(lx.NOUNS))
            if rng.random() < 0.7
            else _verb_sentence(rng, rng.choice(_FRAME_VERBS))
        )
        return pick(
            rng,
            [
                "Answer with this sentence: ",
                "Repeat after me: ",
                "Say exactly this: ",
                "Copy this sentence: ",
            ],
        ) + s, s
    if roll == 7:
        first = rng.random() < 0.6
        which, letter = ("first", w[0]) if first else ("last", w[-1])
        return f"What is the {which} letter of '{w}'?", f"The {which} letter of '{w}' is '{letter}'."
    if roll == 8:
        n = rng.randrange(2, 5)
        return f"Write the word '{w}' {lx.number_word(n)} times.", " ".join([w] * n)
    a, b, c = rng.sample(_SINGLE_WORDS, 3)
    which, found = rng.choice([("first", a), ("second", b), ("third", c)])
    return (
        f"Here are three words: {a}, {b}, {c}. Which is the {which} one?",
        f"The {which} word is '{found}'.",
    )


_RICH = [n for n in lx.NOUNS if _facts_of(n)]


def follow_up(rng: random.Random) -> list[Turn]:
    """A question about one thing and one or more further questions that use a pronoun."""
    n = rng.choice(_RICH) if rng.random() < 0.6 else rng.choice(lx.NOUNS)
    w, thing = n.word, phrase(n.word)
    many = n.form == "+"
    it, is_, them = ("they", "are", "them") if many else ("it", "is", "it")
    first = noun_meaning(rng, n) if rng.random() < 0.75 else tell_about(rng, n)
    more: list[Turn] = []
    pro = cap(it)
    if w in lx.WHERE_IS:
        p = lx.WHERE_IS[w]
        verb = "find" if p.startswith(_KEEP_NOT) else pick(rng, ["find", "keep"])
        more.append(
            (
                pick(rng, [f"Where do you {verb} {them}?", f"And where can I {verb} {them}?"]),
                pick(rng, [f"You can {verb} {them} {p}.", f"You can {verb} {thing} {p}."]),
            )
        )
    if w in lx.USE:
        more.append(
            (
                pick(rng, [f"What {is_} {it} used for?", f"What can I do with {them}?"]),
                pick(rng, [f"{pro} {is_} used for {lx.USE[w]}.", f"You can use {them} for {lx.USE[w]}."]),
            )
        )
    if w in lx.COLOUR:
        more.append(
            (
                pick(rng, [f"What colour {is_} {it}?", f"And which colour {is_} {it}?"]),
                f"{pro} {is_} usually {lx.COLOUR[w]}.",
            )
        )
    if w in lx.ANIMAL_FACTS:
        sound, _, food, legs = lx.ANIMAL_FACTS[w]
        more.append((pick(rng, ["Where does it live?", "And where is its home?"]), f"It lives {_home(w)}."))
        more.append((pick(rng, ["What does it eat?", "And what does it like to eat?"]), f"It eats {food}."))
        more.append(
            (
                pick(rng, ["How many legs does it have?", "Does it have legs?"]),
                f"It has {lx.number_word(legs) if legs else 'no'} legs.",
            )
        )
        if more[-1][0].startswith("Does"):
            more[-1] = (
                more[-1][0],
                f"Yes, it has {lx.number_word(legs)} legs." if legs else "No, it has no legs.",
            )
        if sound != "-":
            more.append((pick(rng, ["What sound does it make?", "Which noise does it make?"]), f"It {sound}."))
    if w in lx.JOB:
        more.append(
            (
                pick(rng, ["What does such a person do?", "What is the work like?"]),
                f"{cap(thing)} {lx.JOB[w]}.",
            )
        )
    more.append(
        (
            pick(
                rng,
                [
                    "Can you use the word in a sentence?",
                    "Please use it in a sentence.",
                    "Give me a sentence with that word.",
                ],
            ),
            _noun_sentence(rng, n),
        )
    )
    if not n.form and w not in lx._THE:
        more.append(
            (
                pick(rng, ["What is the plural of that word?", "And what is the plural?"]),
                f"The plural of '{w}' is '{plural(w)}'.",
            )
        )
    if " " not in w:
        more.append(
            (
                pick(rng, ["How do you spell it?", "How is the word spelled?"]),
                f"You spell '{w}' like this: {'-'.join(w)}.",
            )
        )
    if n.kind in STRICT and w not in AMBIGUOUS:
        other = _other_kind(rng, n.kind)
        label, own = (STRICT[other][1], STRICT[n.kind][1]) if many else (STRICT[other][0], STRICT[n.kind][0])
        more.append((f"{cap(is_)} {it} {label}?", f"No, {it} {is_} not {label}. {pro} {is_} {own}."))
    rng.shuffle(more)
    count = 1 if rng.random() < 0.55 else 2 if rng.random() < 0.7 else 3
    more = [m for m in more if m[1] not in first[1]][:count]
    if more and rng.random() < 0.2:
        last = more[-1]
        more[-1] = (pick(rng, ["Thanks. ", "I see. ", "Good. ", "Thank you. "]) + last[0], last[1])
    return [first, *more]


_KINDS: list[tuple[float, Callable[[random.Random], Turn]]] = [
    (16, noun_meaning),
    (6, tell_about),
    (6, verb_meaning),
    (4, adjective_meaning),
    (6, is_a),
    (4, which_is),
    (3, odd_one),
    (3, name_three),
    (4, opposite),
    (4, plural_of),
    (6, verb_forms),
    (1, adjective_forms),
    (3, colour),
    (4, where),
    (4.5, job),
    (4, use),
    (2, capital),
    (2.5, order),
    (6, arithmetic),
    (3, counting),
    (3, compare),
    (3.5, why),
    (3, how_to),
    (3, animal_fact),
    (8, sentence_with),
    (4, refer),
    (5, guess),
]
_WEIGHTS: list[float] = []
for _w, _f in _KINDS:
    _WEIGHTS.append((_WEIGHTS[-1] if _WEIGHTS else 0.0) + _w)
_FUNCS = [f for _, f in _KINDS]


def _one(rng: random.Random) -> Turn:
    q, a = rng.choices(_FUNCS, cum_weights=_WEIGHTS)[0](rng)
    return (_loosen(rng, q), a)


def conversations(rng: random.Random) -> list[dict[str, str]]:
    """One random question-and-answer conversation: [{"role": "user"|"assistant"|"system", "content": str}, ...]."""
    roll = rng.random()
    if roll < 0.08:
        turns = [echo(rng)]
        if rng.random() < 0.3:
            turns.append(echo(rng))
    elif roll < 0.3:
        turns = [(_loosen(rng, q), a) for q, a in follow_up(rng)]
    else:
        turns = [_one(rng)]
        while len(turns) < 4 and rng.random() < 0.33:
            turns.append(_one(rng))
    out: list[dict[str, str]] = []
    if rng.random() < 0.25:
        out.append({"role": "system", "content": rng.choice(SYSTEM)})
    for q, a in turns:
        out.append({"role": "user", "content": q})
        out.append({"role": "assistant", "content": a})
    return out
