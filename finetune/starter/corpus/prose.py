"""Connected plain English for the starter corpus.

Stories with questions, descriptions, explanations, reading tasks, service talk, small rewriting tasks and
careful answers to questions that need an expert.  Everything is drawn from small grammars over the banks in
``prose_banks`` with the random generator that the caller hands in.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from . import prose_banks as B

Turns = list[tuple[str, str]]

_AN = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])(?!uni|use|usu|one\b|once\b|eu)")
_HOURS = ("six seven eight nine ten eleven twelve one two three four five").split()
_NUM = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_THINGS = B._words(
    "lamp, vase, clock, chair, stool, basket, bucket, lantern, jug, watering can, wooden box, small bench"
)
_TOYS = B._words("toy train, doll, ball, puzzle, toy car, teddy bear")
_SEATS = B._words("chair, bench, sofa, table, bed")
_FRUIT = B._words("apples, plums, pears, berries, cherries, grapes")
_VEG = B._words("carrots, beans, tomatoes, potatoes, onions, peas")
_COUNTED = B._words("apples, plums, pears, eggs, tomatoes, potatoes, carrots, onions, rolls, lemons")


def _an(text: str) -> str:
    return _AN.sub(lambda m: m.group(1) + "n ", text)


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _third(verb: str) -> str:
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


class Person:
    """A name with the pronouns that belong to it."""

    def __init__(self, rng: random.Random, avoid: Sequence[str] = ()) -> None:
        while True:
            group = rng.randrange(20)
            if group < 8:
                name, forms = rng.choice(B.HE_NAMES), ("he", "him", "his")
            elif group < 16:
                name, forms = rng.choice(B.SHE_NAMES), ("she", "her", "her")
            else:
                name, forms = rng.choice(B.THEY_NAMES), ("they", "them", "their")
            if name not in avoid:
                break
        self.name = name
        self.s, self.o, self.p = forms
        self.plural = self.s == "they"

    def verb(self, base: str) -> str:
        return base if self.plural else _third(base)

    @property
    def was(self) -> str:
        return "were" if self.plural else "was"


def _pair(rng: random.Random, bank: Sequence[str]) -> tuple[str, str]:
    a, b = rng.sample(bank, 2)
    return a, b


def _slots(rng: random.Random) -> dict[str, str]:
    """Values for every slot of the sentence templates, all drawn anew."""
    n = Person(rng)
    h = Person(rng, (n.name,))
    k = Person(rng, (n.name, h.name))
    obj, obj2 = _pair(rng, B.OBJECTS)
    col, col2 = _pair(rng, B.COLOURS)
    place, place2 = _pair(rng, B.PLACES)
    food, food2 = _pair(rng, _COUNTED)
    hour = rng.randrange(0, 6)
    half = rng.choice(("", "", "half past "))
    first = rng.randrange(7)
    num, num2 = _pair(rng, _NUM)
    act = rng.choice(B.ACTIONS)
    return {
        "N": n.name,
        "s": n.s,
        "S": _cap(n.s),
        "o": n.o,
        "p": n.p,
        "was": n.was,
        "works": n.verb("work"),
        "H": h.name,
        "K": k.name,
        "obj": obj,
        "obj2": obj2,
        "col": col,
        "Col": _cap(col),
        "col2": col2,
        "a_obj": _an("a " + obj),
        "a_colobj": _an(f"a {col} {obj}"),
        "a_colobj2": _an(f"a {col2} {obj2}"),
        "place": place,
        "place2": place2,
        "food": food,
        "food2": food2,
        "t1": half + _HOURS[hour],
        "t2": half + _HOURS[hour + rng.randrange(3, 7)],
        "day": _DAYS[first],
        "day2": _DAYS[(first + rng.randrange(1, 6)) % 7],
        "n": num,
        "n2": num2,
        "Ncap": _cap(num),
        "n100": str(rng.randrange(3, 99) * 10),
        "age": str(rng.randrange(19, 80)),
        "town": rng.choice(B.TOWNS),
        "job": (job := rng.choice(B.JOBS)),
        "a_job": _an("a " + job),
        "shop": rng.choice(B.SHOPS),
        "reason": rng.choice(B.REASONS),
        "glad": rng.choice(("glad", "happy", "pleased", "thankful", "grateful")),
        "pet": rng.choice(B.PETS),
        "inst": rng.choice(B.INSTRUMENTS),
        "past": f"{act[1]} {act[2]}",
    }


# --- stories ------------------------------------------------------------


def _ask_story(rng: random.Random, about: str) -> str:
    kind = rng.choice(("short", "funny", "kind", "little", "simple", "nice", "quiet", "happy"))
    return rng.choice(
        (
            f"Tell me a {kind} story about {about}.",
            f"Please tell me a {kind} story about {about}.",
            f"Can you tell me a {kind} story about {about}?",
            f"I would like to hear a {kind} story about {about}.",
            f"Write a {kind} story about {about}, please.",
            f"Do you know a {kind} story about {about}?",
        )
    )


def _ending(rng: random.Random, name: str, helper: str) -> str:
    return rng.choice(B.ENDINGS).format(N=name, H=helper)


def _followups(rng: random.Random, qa: list[tuple[str, str]]) -> Turns:
    """None to three of the questions, in mixed order."""
    count = rng.choice((0, 1, 1, 2, 2, 3))
    return rng.sample(qa, min(count, len(qa)))


def _story_problem(rng: random.Random) -> Turns:
    n = Person(rng)
    h = Person(rng, (n.name,))
    job = rng.choice(B.JOBS)
    problem, solution, question, answer = (x.format(N=n.name, H=h.name) for x in rng.choice(B.PROBLEMS))
    upset = f"{_cap(n.s)} {n.was}" if problem.startswith(n.name) else f"{n.name} was"
    time, act = rng.choice(B.TIMES), rng.choice(B.ACTIONS)
    sad, glad = rng.choice(B.SAD), rng.choice(B.GLAD)
    friend = rng.choice(B.FRIENDS)
    town = rng.choice(B.TOWNS)
    start = rng.choice(
        (
            f"{n.name} was {_an('a ' + job)} in {town}.",
            f"In {town} there lived {_an('a ' + job)} by the name of {n.name}.",
            f"{n.name} worked as {_an('a ' + job)} in {town}.",
        )
    )
    text = [
        start,
        f"{time} {n.s} {act[1]} {act[2]}.",
        rng.choice(
            (
                "Then there was trouble.",
                "But then something went wrong.",
                "Suddenly there was a problem.",
                "Nobody knew what was coming.",
            )
        ),
        problem,
        f"{upset} {sad}.",
        f"Luckily {h.name}, {friend}, was near.",
        solution,
        f"Now {n.name} was {glad}.",
    ]
    if rng.random() < 0.75:
        del text[2]
    if rng.random() < 0.4:
        text = [t for t in text if not t.startswith("Now ")]
        after: list[tuple[str, str]] = []
    else:
        after = [(f"How did {n.name} feel after that?", f"After that, {n.name} was {glad}.")]
    text.append(_ending(rng, n.name, h.name))
    qa = [
        (question, answer),
        (f"Who helped {n.name}?", f"{h.name}, {friend}, helped {n.name}."),
        (f"What was {n.name}'s job?", f"{n.name} was {_an('a ' + job)} in {town}."),
        (f"Where did {n.name} live and work?", f"{n.name} lived and worked in {town}."),
        (f"What did {n.name} do first?", f"First {n.name} {act[1]} {act[2]}."),
        (f"How did {n.name} feel when the trouble came?", f"{n.name} was {sad} when the trouble came."),
    ] + after
    about = rng.choice(
        (f"{n.name} and {h.name}", f"{_an('a ' + job)} and {friend}", f"{n.name} the {job} and {h.name}")
    )
    return [(_ask_story(rng, about), " ".join(text)), *_followups(rng, qa)]


def _story_lost(rng: random.Random) -> Turns:
    v = _slots(rng)
    name, s, cs, helper = v["N"], v["s"], v["S"], v["H"]
    thing, full = v["obj"], f"{v['col']} {v['obj']}"
    time, sad, glad = rng.choice(B.TIMES), rng.choice(B.SAD), rng.choice(B.GLAD)
    owner = rng.choice(("an aunt", "a grandfather", "a grandmother", "an uncle", "a teacher", "a good friend"))
    text = [
        rng.choice(
            (
                f"{name} had {_an('a ' + full)}, a present from {owner}.",
                f"{name} owned {_an('a ' + full)} and liked it very much. It came from {owner}.",
            )
        ),
        f"{time} the {thing} was gone, and {name} {rng.choice(('felt', 'was'))} {sad}.",
        f"{cs} looked {v['place']}, but it was not there.",
        rng.choice((f"Then {s} asked {helper} for help.", f"So {s} told {helper} about it.")),
        f"{helper} thought for a while and went to look once more.",
        f"In the end, {helper} found the {full} {v['place2']}.",
        f"{name} was {glad}.",
        _ending(rng, name, helper),
    ]
    if rng.random() < 0.5:
        del text[4]
    qa = [
        (f"What did {name} lose?", f"{name} lost {_an('a ' + full)}."),
        (f"What did {s} lose?", f"{cs} lost {_an('a ' + full)}."),
        (f"Where did {helper} find it?", f"{helper} found the {thing} {v['place2']}."),
        (f"Who found the {thing}?", f"{helper} found the {thing}."),
        (f"What colour was the {thing}?", f"The {thing} was {v['col']}."),
        (f"Where did {name} look first?", f"{name} looked {v['place']} first, but it was not there."),
        (f"From whom was the {thing}?", f"The {thing} was a present from {owner}."),
        (f"How did {name} feel at the end?", f"At the end, {name} was {glad}."),
    ]
    picked = _followups(rng, qa)
    if sum(1 for q, _ in picked if q.endswith("lose?")) > 1:
        picked = picked[1:]
    about = rng.choice(
        (
            f"{name} and {_an('a ' + full)}",
            f"{name}, {helper} and {_an('a lost ' + thing)}",
            f"{name} and {v['p']} {full}",
        )
    )
    return [(_ask_story(rng, about), " ".join(text)), *picked]


def _story_gift(rng: random.Random) -> Turns:
    v = _slots(rng)
    name, s, cs, helper = v["N"], v["s"], v["S"], v["H"]
    full, day = f"{v['col']} {v['obj']}", v["day"]
    cost = rng.choice(_NUM)
    sad, glad = rng.choice(B.SAD), rng.choice(B.GLAD)
    act = rng.choice(B.ACTIONS)
    text = [
        f"{helper} had a birthday on {day}, and {name} wanted to give {helper} {_an('a ' + full)}.",
        f"The {v['obj']} cost {cost} coins, but {name} had no money left.",
        f"{cs} {v['was']} {sad}.",
        f"Then {s} had an idea and went to {rng.choice(B.TOWNS)} to look for work.",
        f"There {s} {act[1]} {act[2]} for an old lady.",
        f"The lady gave {v['o']} {cost} coins, and {name} bought the {v['obj']}.",
        f"{helper} opened the present and was {glad}.",
        _ending(rng, name, helper),
    ]
    qa = [
        (f"What did {name} give to {helper}?", f"{name} gave {helper} {_an('a ' + full)}."),
        (f"How much did the {v['obj']} cost?", f"The {v['obj']} cost {cost} coins."),
        (f"When was {helper}'s birthday?", f"{helper}'s birthday was on {day}."),
        (f"What did {name} do for the old lady?", f"{name} {act[1]} {act[2]} for the old lady."),
        (f"Who paid {name} for the work?", f"An old lady paid {name} {cost} coins for the work."),
        (f"How did {helper} feel?", f"{helper} was {glad}."),
    ]
    about = rng.choice((f"{name} and {_an('a ' + full)}", f"{name} and {helper}", f"{name} and a birthday present"))
    return [(_ask_story(rng, about), " ".join(text)), *_followups(rng, qa)]


_WISHES = B._rows("""
reach the ripe pears on the tree :: stood on the back of :: could reach the pears
cross the wide stream :: found a long log for :: walked across the stream
get out of a deep hole :: let down a rope to :: climbed out of the hole
find the way home in the fog :: held a lantern for :: found the way home
move a heavy stone from the door :: found a strong pole for :: moved the stone away
learn a new song :: sang each line slowly for :: knew the whole song
stay dry in the heavy rain :: shared a big leaf with :: stayed dry until the evening
keep warm in the snow :: brought a thick blanket to :: kept warm all night
open a box with a rusty lid :: fetched a flat stone for :: opened the box
win the race on the meadow :: practised every day with :: won the race
build a house before the winter :: carried sticks for :: had a warm house
bake a cake for the feast :: found flour and honey for :: baked a fine cake
""")


def _story_animals(rng: random.Random) -> Turns:
    x, y = _pair(rng, B.ANIMALS)
    where = rng.choice(B.PLACES)
    wish, helped, done = rng.choice(_WISHES)
    time, sad, glad = rng.choice(B.TIMES), rng.choice(B.SAD), rng.choice(B.GLAD)
    if helped.startswith("stood on"):
        helped, done = "brought a long stick to", "could knock the pears down"
    meal = rng.choice(B.FOODS)
    ax, ay = _an("a " + x), _an("a " + y)
    text = [
        f"Once there was {ax} that lived {where}.",
        f"{time} the {x} wanted to {wish}, but it was too hard.",
        f"The {x} tried {rng.choice(('twice', 'three times', 'all day', 'again and again'))} and was {sad}.",
        f"Then {ay} came by and asked what was wrong.",
        f"The {y} {helped} the {x}.",
        f"In the end, the {x} {done} and was {glad}.",
        rng.choice(
            (
                f"That evening the {x} and the {y} ate {meal} together.",
                f"To say thank you, the {x} shared some {meal} with the {y}.",
            )
        ),
    ]
    qa = [
        (f"What did the {x} want to do?", f"The {x} wanted to {wish}."),
        (f"Who helped the {x}?", f"The {y} helped the {x}."),
        (f"What did the {y} do?", f"The {y} {helped} the {x}."),
        (f"Where did the {x} live?", f"The {x} lived {where}."),
        ("What did they eat at the end?", f"At the end they ate {meal}."),
        (f"How did the {x} feel at the end?", f"At the end the {x} was {glad}."),
    ]
    return [(_ask_story(rng, f"{ax} and {ay}"), " ".join(text)), *_followups(rng, qa)]


def _story(rng: random.Random) -> Turns:
    return rng.choice((_story_problem, _story_problem, _story_lost, _story_gift, _story_animals))(rng)


# --- descriptions and explanations ------------------------------------------------------------


def _describe_job(rng: random.Random) -> tuple[str, str]:
    n, job = Person(rng), rng.choice(B.JOBS)
    a, b, c = rng.sample(B.ACTIONS, 3)
    s, cs = n.s, _cap(n.s)
    start = rng.choice(_HOURS[:4])
    wear = rng.choice(("apron", "jacket", "cap", "scarf"))
    text = [
        f"{n.name} is {_an('a ' + job)} and starts work at {start}.",
        f"First {s} {n.verb(a[0])} {a[2]}, and then {s} {n.verb(b[0])} {b[2]}.",
        f"{cs} {n.verb('wear')} {_an('a ' + rng.choice(B.COLOURS))} {wear}.",
        f"At noon {s} {n.verb('take')} a break and {n.verb('eat')} some {rng.choice(B.FOODS)}.",
        f"Before {s} {n.verb('go') if n.plural else 'goes'} home, {s} {n.verb(c[0])} {c[2]}.",
    ]
    keep = sorted(rng.sample(range(1, 5), rng.randrange(2, 5)))
    return f"{_an('a ' + job)} at work", " ".join([text[0], *(text[i] for i in keep)])


def _describe(rng: random.Random) -> Turns:
    if rng.random() < 0.3:
        topic, text = _describe_job(rng)
    else:
        row = rng.choice(B.DESCRIBE)
        topic = row[0]
        count = rng.randrange(2, 5)
        keep = [1, *sorted(rng.sample(range(2, len(row)), count))]
        col, col2 = _pair(rng, B.COLOURS)
        food, food2 = _pair(rng, B.FOODS)
        text = _an(
            " ".join(row[i] for i in keep).format(
                col=col,
                Col=_cap(col),
                col2=col2,
                food=food,
                food2=food2,
                thing=rng.choice(_THINGS),
                thing2=rng.choice(_SEATS),
                toy=rng.choice(_TOYS),
                fruit=rng.choice(_FRUIT),
                veg=rng.choice(_VEG),
            )
        )
    ask = rng.choice(
        (
            f"Describe {topic}.",
            f"Please describe {topic}.",
            f"Can you describe {topic}?",
            f"Describe {topic} in a few sentences.",
            f"Write a few sentences about {topic}.",
        )
    )
    turns: Turns = [(ask, text)]
    if rng.random() < 0.25:
        parts = re.split(r"(?<=\.) ", text)
        turns.append(
            (
                rng.choice(("How does your text begin?", "What was the first sentence?")),
                f"The first sentence is: {parts[0]}",
            )
        )
    return turns


def _explain_one(rng: random.Random) -> Turns:
    row = rng.choice(B.EXPLAIN)
    topic = row[0]
    first = rng.randrange(1, len(row))
    ask = rng.choice(
        (
            f"Explain {topic}.",
            f"Please explain {topic}.",
            f"Can you explain {topic}?",
            f"Tell me {topic}.",
            f"Could you tell me {topic}, please?",
            f"I would like to know {topic}.",
            f"Do you know {topic}?",
            f"Explain in simple words {topic}.",
        )
    )
    lead = rng.choice(("", "", "", "Of course. ", "Yes, gladly. ", "Here is a short answer. ", "It is quite simple. "))
    tail = rng.choice(
        (
            "",
            "",
            "",
            "",
            " Please ask me if something is not clear.",
            " I hope that this helps.",
            " Would you like to know more?",
        )
    )
    turns: Turns = [(ask, lead + row[first] + tail)]
    if rng.random() < 0.3:
        other = row[3 - first]
        more = rng.choice(
            (
                "Can you say it in another way?",
                "Please say that again in other words.",
                "Could you explain it once more?",
                "I did not understand it. Please try again.",
                "Can you put it differently?",
            )
        )
        turns.append((more, rng.choice(("", "", "Gladly. ", "Of course. ", "In other words: ")) + other))
    return turns


def _explain(rng: random.Random) -> Turns:
    turns = _explain_one(rng)
    if rng.random() < 0.3:
        turns += _explain_one(rng)[:1]
        if turns[-1][1] in {a for _, a in turns[:-1]}:
            turns.pop()
    return turns


# --- reading, service, rewriting, careful answers -------------------------------------------------------


def _reading(rng: random.Random) -> Turns:
    row = rng.choice(B.READING)
    v = _slots(rng)
    text = _an(row[0].format(**v))
    pairs = [(row[i].format(**v), _an(row[i + 1].format(**v))) for i in range(1, len(row), 2)]
    chosen = rng.sample(pairs, min(len(pairs), rng.choice((1, 1, 2, 2, 3))))
    q, a = chosen[0]
    first = rng.choice(
        (
            f"{text} {q}",
            f"{text}\n\n{q}",
            f"Read this text: {text}\n{q}",
            f"Text: {text}\nQuestion: {q}",
            f"Here is a short text. {text} {q}",
            f"Please read this and answer. {text} {q}",
            f"{q} Here is the text: {text}",
        )
    )
    lead = rng.choice(("", "", "", "", "According to the text: ", "In the text we read: "))
    return [(first, lead + a), *chosen[1:]]


_NEXT = B._lines("""
If it is urgent, please call us now.
If you have any questions, please ask at the desk.
You can also write us a short note.
If you need help, I will gladly help you.
You can also call this office at any time of the day.
Thank you for coming to us.
Is there anything else that I can do for you?
If something is not clear, please ask me again.
""")
_HELLO = B._words("Hello., Good morning., Good afternoon., Excuse me., Hi., Good day.")


def _service_one(rng: random.Random) -> tuple[str, str]:
    kind = rng.random()
    if kind < 0.45:
        v = _slots(rng)
        ask, core, step = (x.format(**v) for x in rng.choice(B.SERVICE))
    elif kind < 0.63:
        what, day, hour = rng.choice(B.APPOINTMENTS), rng.choice(_DAYS), rng.choice(_HOURS)
        bare = re.sub(r"^an? ", "", what)
        your = bare.replace(" my ", " your ")
        ask, core, step = rng.choice(
            (
                (
                    f"I would like to make an appointment for {what}.",
                    f"Of course, I can make an appointment for {what.replace(' my ', ' your ')}.",
                    rng.choice((f"Would {day} at {hour} suit you?", "Please tell me which day suits you.")),
                ),
                (
                    f"I have to cancel my appointment for {what} on {day}.",
                    f"Thank you for telling us; I will cancel the appointment for the {your} on {day}.",
                    "Please give me your name, and tell me if you need a new date.",
                ),
                (
                    f"Can I move my appointment for {what} to {day}?",
                    f"I will check whether the {your} can be moved to {day}.",
                    f"Please give me your name; would {hour} be a good time?",
                ),
            )
        )
    elif kind < 0.76:
        card = rng.choice(B.CARDS)
        ask, core, step = rng.choice(
            (
                (
                    f"I have lost my {card}.",
                    f"I am sorry that you have lost your {card}.",
                    "Please tell me your name and where you had it last.",
                ),
                (
                    f"My {card} does not work any more.",
                    f"I am sorry about the trouble with your {card}.",
                    "Please leave it here, and we will check it.",
                ),
                (
                    f"I found {_an('a ' + card)} in the hall.",
                    f"Thank you for bringing the {card} to us.",
                    "We will keep it at the desk until the owner comes.",
                ),
            )
        )
    elif kind < 0.88:
        desk, day = rng.choice(B.DESKS), rng.choice(_DAYS)
        ask, core, step = rng.choice(
            (
                (
                    f"When does {desk} open on {day}?",
                    f"The opening hours of {desk} are on the sign at the door.",
                    f"I can ask for you whether there is a change on {day}.",
                ),
                (
                    f"Is {desk} open on {day}?",
                    f"I will check whether {desk} is open on {day}.",
                    "Please wait a moment, or leave your number and we will call you.",
                ),
                (
                    f"How do I get to {desk}?",
                    f"I can show you the way to {desk} on the map.",
                    "Please follow the signs in the hall, and ask again at the next desk.",
                ),
            )
        )
    else:
        form = rng.choice(B.FORMS)
        your = form.replace(" my ", " your ")
        ask, core, step = rng.choice(
            (
                (
                    f"I need the form for {form}.",
                    f"Here is the form for {your}.",
                    "Please fill in every field, sign it and bring it back to this desk.",
                ),
                (
                    f"What do I have to do for {form}?",
                    f"For {your} you need a form and some proof of your name.",
                    "Please take a number and wait until you are called.",
                ),
                (
                    f"Has my request for {form} been answered?",
                    f"I will look up your request for {your}.",
                    "Please tell me your name and the day when you sent it.",
                ),
            )
        )
    hello = rng.choice(("", "", rng.choice(_HELLO) + " "))
    end = rng.choice(("", " " + rng.choice(_NEXT)))
    return hello + ask, f"{core} {step}{end}"


def _service(rng: random.Random) -> Turns:
    turns: Turns = [_service_one(rng)]
    r = rng.random()
    if r < 0.25:
        n = Person(rng)
        turns.append(
            (
                rng.choice((f"My name is {n.name}.", f"I am {n.name}.", f"The name is {n.name}.")),
                rng.choice(
                    (
                        f"Thank you, {n.name}. I have noted your name, and we will take care of it.",
                        f"Thank you, {n.name}. Please take a seat, and someone will call you soon.",
                        f"Thank you, {n.name}. I will pass it on to the office at once.",
                    )
                ),
            )
        )
    elif r < 0.4:
        turns.append(
            (
                rng.choice(("How long will it take?", "Will it take long?", "How long must I wait?")),
                rng.choice(
                    (
                        "I cannot promise a time. Please leave your number, and we will call you.",
                        "I do not know that yet. I will ask the office and tell you as soon as I can.",
                        "That depends on the office. Please ask again tomorrow if nobody has called.",
                    )
                ),
            )
        )
    elif r < 0.55:
        ask, answer = _service_one(rng)
        turns.append(
            (
                rng.choice(("One more question. ", "And another thing. "))
                + re.sub(r"^(Hello|Good \w+|Excuse me|Hi)\. ", "", ask),
                answer,
            )
        )
    return turns


def _rewrite(rng: random.Random) -> Turns:
    n, h = Person(rng), Person(rng)
    act, act2 = rng.sample(B.ACTIONS, 2)
    base, past = f"{act[0]} {act[2]}", f"{act[1]} {act[2]}"
    place, (col, col2), day = rng.choice(B.PLACES), _pair(rng, B.COLOURS), rng.choice(_DAYS)
    kind = rng.randrange(8)
    if kind == 0:
        long, short = rng.choice(B.LONG_SHORT)
        return [
            (
                rng.choice(("Say it in a shorter way: ", "Make this shorter: ", "Write this in fewer words: ")) + long,
                rng.choice(("", "Here is a shorter way: ")) + short,
            )
        ]
    if kind == 1:
        rude, polite = rng.choice(B.RUDE_POLITE)
        return [
            (
                rng.choice(("Make this polite: ", "Say this politely: ", "How can I say this in a kind way? ")) + rude,
                rng.choice(("", "You can say: ", "Here is a polite way: ")) + polite,
            )
        ]
    if kind == 2:
        return [(f"Turn this into a question: {n.name} {past} on {day}.", f"Did {n.name} {base} on {day}?")]
    if kind == 3:
        x, y, z = rng.sample(B.OBJECTS, 3)
        line = f"{n.name} put {_an('a ' + x)}, {_an('a ' + y)} and {_an('a ' + z)} into the car."
        return [
            (
                rng.choice(("List the things in this sentence: ", "Which things are named here? ")) + line,
                f"The things are: {_an('a ' + x)}, {_an('a ' + y)} and {_an('a ' + z)}.",
            )
        ]
    if kind == 4:
        return [
            (
                rng.choice(("Put this into the past: ", "Say this in the past: "))
                + f"{n.name} {_third(act[0])} {act[2]} every {day}.",
                f"{n.name} {past} every {day}.",
            )
        ]
    if kind == 5:
        return [
            (
                f"Answer in two sentences: What did {n.name} do on {day}? "
                f"{n.name} {past}, and then {n.s} {act2[1]} {act2[2]}.",
                f"On {day} {n.name} {past}. After that, {n.s} {act2[1]} {act2[2]}.",
            )
        ]
    if kind == 6:
        x = rng.choice(B.OBJECTS)
        return [
            (
                rng.choice(("Change the colour in this sentence to ", "Write this sentence with the colour "))
                + f"{col2}: The {col} {x} is {place}.",
                f"The {col2} {x} is {place}.",
            )
        ]
    if h.name == n.name:
        h = Person(rng, (n.name,))
    return [
        (
            f"Make one sentence out of these two: {n.name} {past}. {h.name} {act2[1]} {act2[2]}.",
            f"{n.name} {past}, and {h.name} {act2[1]} {act2[2]}.",
        )
    ]


def _careful(rng: random.Random) -> Turns:
    ask, matter, expert = rng.choice(B.CAUTION)
    bare = expert.split(", and ")[0].removesuffix(" at once").replace("your ", "a ")
    refuse = rng.choice(
        (
            f"I cannot decide about {matter} for you.",
            f"I am not able to judge {matter} from here.",
            f"I understand your question about {matter}, but I cannot decide that for you.",
            f"When it comes to {matter}, I must be careful.",
            f"I should not give you advice about {matter}.",
            f"I do not know enough about {matter} to answer that safely.",
        )
    )
    send = rng.choice((f"Please ask {expert}.", f"Please speak to {expert}.", f"It is best to ask {expert}."))
    more = rng.choice(
        (
            "",
            " Bring all your papers and notes with you.",
            " Write down your questions before you go.",
            " Please do not try anything risky on your own.",
            " Someone who can look at it closely will know more.",
        )
    )
    urgent = rng.choice(
        (
            " If it is an emergency, call the emergency number now.",
            " In an emergency, call for help at once.",
            " If there is danger, call the emergency number now.",
            " If somebody is in danger, call for help now.",
        )
    )
    lead = rng.choice(("", "", "Can you help me? ", "I have a question. ", "Please tell me: ", "I am not sure. "))
    turns: Turns = [(lead + ask, f"{refuse} {send}{more}{urgent}")]
    if rng.random() < 0.3:
        turns.append(
            (
                rng.choice(
                    (
                        "But what would you do?",
                        "Can you not just tell me?",
                        "What do you think?",
                        "Just give me your opinion.",
                    )
                ),
                rng.choice(
                    (
                        f"I would ask {bare}, because a wrong answer about {matter} could harm you.",
                        f"I am sorry, but I do not want to guess about {matter}. Please ask {expert}.",
                        f"A guess would not help you with {matter}. Please ask {expert}.",
                    )
                ),
            )
        )
    return turns


_THANKS = B._words("Thank you., Thanks a lot., Thank you very much., That is kind. Thank you., Thanks for your help.")
_WELCOME = B._lines("""
You are welcome. Please ask again whenever you like.
You are welcome. Have a nice day.
I am glad that I could help you today.
It was a pleasure. Please come back if you need anything else.
You are very welcome. I wish you a good day.
""")
_KINDS: tuple[Callable[[random.Random], Turns], ...] = (
    _story,
    _describe,
    _explain,
    _reading,
    _service,
    _rewrite,
    _careful,
)
_WEIGHTS = (18, 9, 14, 26, 20, 7, 6)


def conversations(rng: random.Random) -> list[dict[str, str]]:
    """One random conversation about a story, description, explanation or service request."""
    turns = rng.choices(_KINDS, _WEIGHTS)[0](rng)
    if len(turns) < 4 and rng.random() < 0.15:
        turns = [*turns, (rng.choice(_THANKS), rng.choice(_WELCOME))]
    out: list[dict[str, str]] = []
    if rng.random() < 0.3:
        out.append({"role": "system", "content": rng.choice(B.SYSTEMS)})
    for user, answer in turns[:4]:
        out.append({"role": "user", "content": user})
        out.append({"role": "assistant", "content": answer})
    return out
