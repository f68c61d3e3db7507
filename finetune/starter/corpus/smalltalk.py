"""Generator of random small-talk conversations: short, plain English chats built from templates and word banks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from . import smalltalk_more as b
from .smalltalk_more import lines

Turn = tuple[str, str]
Ctx = dict[str, str]


def an(x: str) -> str:
    """The phrase with its indefinite article."""
    return ("an " if x[0].lower() in "aeiou" and not x.startswith(("uke", "uni", "eu")) else "a ") + x


def cap(x: str) -> str:
    return x[:1].upper() + x[1:]


def join(xs: list[str], last: str = "and") -> str:
    return xs[0] if len(xs) == 1 else ", ".join(xs[:-1]) + " " + last + " " + xs[-1]


def say(rng: random.Random, kw: Ctx, *banks: list[str]) -> str:
    """Pick one entry of each bank, fill its slots and join the sentences."""
    parts = [rng.choice(bank) for bank in banks]
    return " ".join(p for p in parts if p).format(**kw)


def maybe(bank: list[str], empty: int = 1) -> list[str]:
    """A bank that is left out about empty / (empty + 1) of the time."""
    return bank + [""] * (len(bank) * empty)


# ---------------------------------------------------------------------------------------------- user surface
TYPOS = {
    "what": "waht",
    "your": "yuor",
    "you": "yuo",
    "the": "teh",
    "have": "hvae",
    "like": "liek",
    "about": "abuot",
    "because": "becuase",
    "really": "realy",
    "tell": "tel",
    "think": "thnik",
    "hello": "helo",
    "today": "tody",
    "tomorrow": "tommorow",
    "weekend": "weekned",
    "want": "wnat",
    "favourite": "favorit",
    "how": "hwo",
    "please": "plese",
    "should": "shoud",
    "work": "wrok",
    "going": "goign",
    "feel": "fel",
    "and": "adn",
}
SHORT = {
    "I am ": "I'm ",
    "What is": "What's",
    "what is": "what's",
    "do not": "don't",
    "cannot": "can't",
    "It is": "It's",
    "it is": "it's",
    "did not": "didn't",
    "That is": "That's",
    "How is": "How's",
    "Who is": "Who's",
}


def casual(rng: random.Random, s: str) -> str:
    """Vary the surface of a user's line: contractions, case, missing end mark, now and then a typo."""
    r = rng.random()
    if r < 0.45:
        for k, v in SHORT.items():
            if k in s:
                s = s.replace(k, v)
    r = rng.random()
    if r < 0.05:
        ws = s.split(" ")
        hits = [i for i, w in enumerate(ws) if w.lower() in TYPOS]
        if hits:
            i = rng.choice(hits)
            t = TYPOS[ws[i].lower()]
            ws[i] = cap(t) if ws[i][0].isupper() else t
            s = " ".join(ws)
    r = rng.random()
    if r < 0.28:
        s = s.lower()
        if rng.random() < 0.6:
            s = s.rstrip(".?!")
    elif r < 0.38:
        s = s.rstrip(".?!")
    elif r < 0.41 and s[-1] == ".":
        s = s[:-1] + "!"
    return s


# ---------------------------------------------------------------------------------------------- system lines
PERSONAS = b.table("""
You are {n}, a friendly helper. Keep answers short.|
You are {n}, a cheerful chat partner who uses plain words.|
Your name is {n}. You answer in one or two short sentences.|
You are called {n}. You like to ask the user small questions.|
You are {n}, a calm companion for a quiet evening.|
You are {n}. Be warm, be honest and say so when you do not know something.|
You are {n}, a helper for people who learn English. Use simple words.|
Your name is {n} and you chat about everyday things.|
You are {n}, a polite assistant. Never be rude.|
""")
SHOPS = b.words("""bakery, bookshop, flower shop, garden centre, cafe, hotel, library, museum, bicycle shop, tailor shop,
    toy shop, tea house, post office, guest house, music school, cooking school, train station, swimming pool, cinema,
    farm shop, shoe shop, furniture shop, art gallery, language school, campsite, pottery studio, restaurant""")
SHOP_SYS = lines("""
    You answer for a {d} {s}.
    You are the helper of a {d} {s}. Keep answers short.
    You greet the guests of a {d} {s}. Be warm and polite.
    You chat with the visitors of a {d} {s} in plain words.
    You work at the desk of a {d} {s}. Answer in one or two sentences.""")
SHOP_ADJ = "small friendly family-run quiet busy little cosy new local lovely".split()
PLAIN_SYS = lines("""
    You are a friendly helper. Keep answers short.
    You are a kind and patient chat partner.
    Answer in plain English with short sentences.
    You are a small language model that likes to chat.
    Be brief, warm and honest.
    Talk with the user about daily life. Use simple words.
    You are a helpful assistant. If you do not know something, say so.
    Please be polite and give short replies.
    You chat with people who want some company. Be gentle.
    You are a good listener. Refer to what the user says.
    Keep every reply under forty words.
    You help people to practise English. Use short and correct sentences.
    Speak like a good neighbour: friendly, calm and plain.
    You are a cheerful assistant. Do not give medical advice.
    Answer the user's message. Do not make things up.
    You are a small chat program with a light sense of humour.
    Give clear and simple answers to the user's questions.
    You are a chat partner for a slow afternoon. Take your time and be kind.
    Remember what the user tells you in this chat and use it in your answers.
    You are an assistant for everyday talk. One to three sentences are enough.
    The user may make spelling mistakes. Answer kindly and do not correct them.""")


def system(rng: random.Random, ctx: Ctx) -> str:
    r = rng.random()
    if r < 0.35:
        ctx["bot"] = rng.choice(b.NAMES)
        return rng.choice(PERSONAS)[0].format(n=ctx["bot"])
    if r < 0.65:
        s, d = rng.choice(SHOPS), rng.choice(SHOP_ADJ)
        ctx["shop"] = f"{d} {s}"
        return rng.choice(SHOP_SYS).format(s=s, d=d)
    return rng.choice(PLAIN_SYS)


# ---------------------------------------------------------------------------------------------- shared replies
ACK = lines("""
    That sounds nice.
    How nice.
    That is good to hear.
    Oh, lovely.
    Thank you for telling me.
    I see.
    That is interesting.
    I like to hear that.
    Good choice.
    That sounds good to me.""")
HELP = lines("""
    How can I help you?
    How can I help you today?
    What would you like to talk about?
    What is on your mind?
    How is your day going?
    What can I do for you?
    How are you?
    It is nice to hear from you.
    What shall we talk about?""")
LEAD = lines("""
    By the way,
    Guess what,
    You know,
    Well,
    So,""")


LEAD_OK = set("I My What It We Can Do How Where Who Today Should Which Is Are Will The".split())


def lead(rng: random.Random, s: str) -> str:
    first = s.split(" ", 1)[0]
    if first in LEAD_OK and rng.random() < 0.12:
        return rng.choice(LEAD) + " " + (s if first == "I" else s[0].lower() + s[1:])
    return s


def ask_more(rng: random.Random, kw: Ctx, turns: list[Turn], why: list[str], more: list[str], p: float = 0.35) -> None:
    """Add a short follow-up question by the user that refers to the previous reply."""
    if rng.random() > p or turns[-1][1].endswith("?"):
        return
    k = rng.random()
    if k < 0.4 and why:
        turns.append((rng.choice(["Why?", "Why is that?", "Why do you say that?", "But why?"]), say(rng, kw, why)))
    elif k < 0.75 and more:
        turns.append(
            (
                rng.choice(["Tell me more.", "Can you say more?", "Go on.", "Anything else?"]),
                say(rng, kw, more),
            )
        )
    elif why:
        turns.append(
            (
                rng.choice(["Really?", "Is that so?", "Are you sure?", "Do you think so?"]),
                say(rng, kw, ["Yes, I think so.", "Yes, really.", "I think so, but I can be wrong."], why),
            )
        )


# ---------------------------------------------------------------------------------------------- openings
DAYPART = ["morning", "afternoon", "evening"]
HELLO = ["Hello", "Hi", "Hi there", "Hello there", "Hey", "Good day", "Hello again", "Hey there"]


def greet(rng: random.Random, ctx: Ctx) -> list[Turn]:
    if rng.random() < 0.45:
        d = rng.choice(DAYPART)
        u = f"Good {d}" + rng.choice([".", "!", " to you.", ", how are you?", ", my friend.", ", are you there?"])
        a = f"Good {d}" + rng.choice(["!", ".", " to you too.", " to you."])
        if "how" in u:
            return [(u, a + " " + rng.choice(HOW_A))]
        return [(u, a + " " + rng.choice(HELP))]
    h = rng.choice(HELLO)
    u = h + rng.choice(["", "!", ".", ", can we talk?", ", are you there?", ", nice to meet you.", ", I want to chat."])
    a = rng.choice(["Hello!", "Hi!", "Hi there!", "Hello there!", "Hello, and welcome!"])
    if "talk" in u or "chat" in u:
        a += rng.choice([" Yes, let us talk.", " I would be glad to chat.", " Of course."])
    elif "are you there" in u:
        a += rng.choice([" Yes, I am here.", " I am here."])
    elif "meet" in u:
        a += rng.choice([" It is nice to meet you too.", " Nice to meet you too."])
    return [(u, a + " " + rng.choice(HELP))]


def intro(rng: random.Random, ctx: Ctx) -> list[Turn]:
    n = ctx["name"] = rng.choice(b.NAMES)
    kw = {"n": n}
    u = say(
        rng,
        kw,
        ["Hello.", "Hi.", "Hi there.", "Good morning.", "Good evening.", "Hey.", "", ""],
        [
            "My name is {n}.",
            "I am {n}.",
            "I am called {n}.",
            "This is {n}.",
            "You can call me {n}.",
            "People call me {n}.",
            "{n} is my name.",
        ],
    )
    a = say(
        rng,
        kw,
        [
            "Hello, {n}!",
            "Hi, {n}!",
            "Nice to meet you, {n}.",
            "Good to meet you, {n}.",
            "Welcome, {n}.",
            "It is a pleasure to meet you, {n}.",
            "{n} is a nice name.",
            "Thank you for telling me, {n}.",
        ],
        HELP,
    )
    return [(u, a)]


HOW_A = lines("""
    I am doing well, thank you. How are you?
    I am fine, thanks for asking. And you?
    All is well here. How about you?
    I am a program, but I am ready to chat. How are you?
    I am well, thank you. How is your day?
    I am just a small model, but things are going fine. How are you today?""")


def how_are_you(rng: random.Random, ctx: Ctx) -> list[Turn]:
    u = rng.choice(
        [
            "How are you?",
            "How are you today?",
            "How is it going?",
            "Hi, how are you?",
            "Are you well?",
            "How do you do?",
            "How are things?",
            "Hello, how are you doing?",
            "Hey, how is your day?",
        ]
    )
    t = [(u, rng.choice(HOW_A))]
    if rng.random() < 0.7:
        w, good = rng.choice(
            [
                ("fine", 1),
                ("good", 1),
                ("very well", 1),
                ("okay", 1),
                ("great", 1),
                ("not so good", 0),
                ("a bit unwell", 0),
                ("so busy", 0),
                ("not bad", 1),
            ]
        )
        u2 = rng.choice([f"I am {w}.", f"I am {w}, thanks.", f"I am {w} today.", f"I am {w}, thank you."])
        t.append(
            (
                u2,
                say(
                    rng,
                    {"w": w},
                    ["I am glad that you are {w}.", "It is good to hear that you are {w}."]
                    if good
                    else ["I am sorry that you are {w}.", "Oh, I am sorry to hear that you are {w}."],
                    maybe(
                        ["What are you doing today?", "Do you have plans for later?", "What made it so?"]
                        if good
                        else ["Would you like to talk about it?", "I hope it gets better soon."]
                    ),
                ),
            )
        )
    return t


# ---------------------------------------------------------------------------------------------- topics
FEEL_A: dict[str, tuple[list[str], list[str]]] = {
    "good": (
        lines("""
        That is wonderful.
        I am glad that you are {f}.
        How nice that you feel {f}.
        What good news.
        That is great.
        I am happy for you.
        """),
        lines("""
        Enjoy the moment.
        You can be glad about that.
        Will you celebrate?
        Tell someone you love about it.
        I hope the rest of your day is just as good."""),
    ),
    "sad": (
        lines("""
        I am sorry that you feel {f}.
        I am sorry to hear that.
        That sounds hard.
        Oh, that is a pity.
        It makes sense to feel {f}.
        """),
        lines("""
        Do you want to talk about it?
        Be kind to yourself today.
        A walk or a talk with a friend may help.
        I hope that tomorrow is a better day.
        I am here to listen."""),
    ),
    "tired": (
        lines("""
        No wonder you are {f}.
        It makes sense that you are {f}.
        That sounds like a lot.
        Oh, I see why you feel {f}.
        """),
        lines("""
        Try to rest a little.
        I hope you can go to bed early tonight.
        Sit down and have something warm to drink.
        Can you take a short break?
        You deserve some rest."""),
    ),
    "worried": (
        lines("""
        I understand that you feel {f}.
        Many people would feel {f} too.
        That can be hard.
        It is normal to be {f} about that.
        """),
        lines("""
        Take a slow breath and think of one small step.
        It may go better than you expect.
        What part of it worries you most?
        Talking about it can help.
        You have managed hard things before."""),
    ),
    "bored": (
        lines("""
        I see that you are {f}.
        Being {f} is not much fun.
        Let us find something to do.
        Oh, a slow day then.
        """),
        lines("""
        You could draw something or write a letter.
        Would you like to hear a joke?
        How about a short walk or a puzzle?
        You could tidy one drawer and listen to music.
        Maybe you could call an old friend."""),
    ),
    "angry": (
        lines("""
        I can see why you are {f}.
        That would make many people {f}.
        That sounds unfair.
        I am sorry that happened.
        """),
        lines("""
        Take a short walk before you decide what to do.
        It may help to count slowly to ten.
        Would you like to tell me more?
        I hope it gets sorted out soon.
        A calm word later may help."""),
    ),
    "lonely": (
        lines("""
        I am sorry that you feel {f}.
        It is hard to feel {f}.
        Thank you for telling me.
        I am glad that you told me.
        """),
        lines("""
        Is there someone you could call today?
        A club or a class can be a good way to meet people.
        I am happy to chat with you.
        A short talk with a neighbour can help a little.
        You could write to an old friend."""),
    ),
}
FEEL_BECAUSE = lines("""
    So {r2}.
    I hear that {r2}.
    You say that {r2}, and that matters.""")


def feelings(rng: random.Random, ctx: Ctx) -> list[Turn]:
    c = rng.choice(list(FEEL_A))
    f = rng.choice(b.FEELINGS[c])
    r1, r2 = rng.choice(b.REASONS[c])
    kw = {"f": f, "r1": r1, "r2": r2, "F": cap(f)}
    first, then = FEEL_A[c]
    r = rng.random()
    if r < 0.55:
        u = say(
            rng,
            kw,
            [
                "I am {f} because {r1}.",
                "I feel {f} because {r1}.",
                "I am {f} today because {r1}.",
                "I am so glad, because {r1}." if c == "good" else "I feel {f}, because {r1}.",
                cap(r1) + ", so I am {f}.",
                cap(r1) + " and now I feel {f}.",
            ],
        )
        kw["f"] = f if "so glad" not in u else "glad"
        return [(u, say(rng, kw, first, maybe(FEEL_BECAUSE), then))]
    u = say(rng, kw, ["I am {f}.", "I feel {f}.", "I am {f} today.", "I feel {f} right now.", "Today I feel {f}."])
    t = [
        (
            u,
            say(
                rng,
                kw,
                [x for x in first if "{f}" in x],
                [
                    "What happened?",
                    "Why do you feel that way?",
                    "Can you tell me why?",
                    "What is the reason?",
                ],
            ),
        )
    ]
    t.append(
        (
            rng.choice(["Because {r1}.", "{R}.", "Well, {r1}.", "It is because {r1}."]).format(r1=r1, R=cap(r1)),
            say(
                rng,
                kw,
                [x for x in first if not t[0][1].startswith(x.format(**kw))],
                maybe(FEEL_BECAUSE),
                then,
            ),
        )
    )
    return t


def weather(rng: random.Random, ctx: Ctx) -> list[Turn]:
    w, noun, tip = rng.choice(b.WEATHER)
    place = rng.choice(["here", "outside", "in " + rng.choice(b.CITIES), "in my town", "in " + rng.choice(b.COUNTRIES)])
    kw = {
        "w": w,
        "n": noun,
        "p": place,
        "p2": place.replace("my", "your").replace("here", "where you are"),
        "N": cap(noun),
    }
    if rng.random() < 0.2:
        u = rng.choice(
            [
                "What is the weather like {p}?",
                "Will it rain tomorrow {p}?",
                "Is it cold {p} today?",
                "How is the weather {p}?",
            ]
        ).format(**kw)
        return [
            (
                u,
                say(
                    rng,
                    kw,
                    ["I cannot see the weather {p2}.", "I do not know the weather {p2}."],
                    [
                        "A look out of the window is better than a guess from me.",
                        "I am only a small model.",
                        "A weather report can tell you.",
                        "What does the sky look like?",
                    ],
                ),
            )
        ]
    u = say(rng, kw, ["It is {w} {p}.", "It is {w} {p} today.", "Today it is {w} {p}.", "It is {w} {p} again."])
    t = [
        (
            u,
            say(
                rng,
                kw,
                [
                    "So it is {w} {p2}.",
                    "Oh, it is {w} {p2}!",
                    "I hear that it is {w} {p2}.",
                    "{N} again!",
                    "So there is {n} {p2}.".replace("is", "are") if noun == "clouds" else "Ah, {n}!",
                ],
                [tip],
                maybe(["What will you do today?", "Do you like this weather?", "Stay comfortable."]),
            ),
        )
    ]
    if rng.random() < 0.35:
        like = rng.random() < 0.5
        t.append(
            (
                rng.choice(
                    ["I love the {n}.", "I like the {n}.", "I enjoy the {n}."]
                    if like
                    else [
                        "I do not like the {n}.",
                        "I cannot stand the {n}.",
                        "The {n} makes me sad.".replace("makes", "make" if noun == "clouds" else "makes"),
                    ]
                ).format(**kw),
                say(
                    rng,
                    kw,
                    ["It is good that you enjoy the {n}.", "Then the {n} came at the right time for you."]
                    if like
                    else ["I hope the {n} will be gone soon.", "Not everyone likes the {n}."],
                    maybe(
                        ["Have a good time.", "Enjoy it while it lasts."]
                        if like
                        else ["Better days will come.", "A cosy room can help."]
                    ),
                ),
            )
        )
    return t


def plans(rng: random.Random, ctx: Ctx) -> list[Turn]:
    (p1, p2), w = rng.choice(b.PLANS), rng.choice(b.WHEN)
    kw = {"p1": p1, "p2": p2, "w": w, "W": cap(w)}
    t: list[Turn] = []
    if rng.random() < 0.3:
        t.append(
            (
                rng.choice(
                    [
                        "Ask me about my plans.",
                        "Ask me what I will do {w}.",
                        "Guess what I will do {w}.",
                        "I have plans {w}.",
                    ]
                ).format(**kw),
                rng.choice(
                    [
                        "What will you do {w}?",
                        "What are your plans {w}?",
                        "What do you have in mind {w}?",
                        "I am curious. What are you going to do {w}?",
                    ]
                ).format(**kw),
            )
        )
    u = say(
        rng,
        kw,
        [
            "I am going to {p1} {w}.",
            "I want to {p1} {w}.",
            "{W} I will {p1}.",
            "I plan to {p1} {w}.",
            "I will {p1} {w}.",
            "I have to {p1} {w}.",
            "I hope to {p1} {w}.",
        ],
    )
    t.append(
        (
            u,
            say(
                rng,
                kw,
                maybe(ACK[:5]),
                [
                    "It is a good plan to {p2} {w}.",
                    "So you will {p2} {w}.",
                    "{W} sounds like a good time to {p2}." if w not in ("later",) else "It sounds good to {p2} later.",
                    "I hope you have a good time when you {p2}.",
                    "So you are going to {p2}.",
                ],
                maybe(["Will you do it alone?", "What will you do after that?", "Enjoy it.", "Have fun."]),
            ),
        )
    )
    if rng.random() < 0.4:
        k = rng.random()
        if k < 0.3:
            _, n2 = rng.choice([z for z in b.PLANS if z[0] != p1])
            t.append(
                (
                    rng.choice(["And then?", "What should I do after that?", "What then?"]),
                    rng.choice(
                        [
                            f"After that you could {n2}.",
                            f"Then you could {n2}.",
                            f"Maybe you can {n2} after that.",
                            f"Rest a little, and then {n2}.",
                        ]
                    ),
                )
            )
        elif k < 0.6:
            who = rng.choice(b.FAMILY)
            t.append(
                (
                    rng.choice(
                        [
                            f"My {who[0]} will come along.",
                            f"I will do it with my {who[0]}.",
                            f"My {who[0]} will help me.",
                        ]
                    ),
                    rng.choice(
                        [
                            f"It is nice that your {who[0]} will be there.",
                            f"Say hello to your {who[0]} from me.",
                            f"Your {who[0]} will be good company.",
                            f"Things are more fun with your {who[0]}.",
                        ]
                    ),
                )
            )
        else:
            t.append(
                (
                    rng.choice([f"When did I say I would {p1}?", f"When will I {p1}?", "When was my plan again?"]),
                    say(
                        rng,
                        kw,
                        [
                            "You said {w}.",
                            "You told me {w}.",
                            "You want to {p2} {w}.",
                            "You said you would {p2} {w}.",
                        ],
                    ),
                )
            )
    return t


WHY_LIKE = [
    "Because {x} can make a plain day better.",
    "Because many people find joy in {x}.",
    "Because it is good to have something like {x} to look forward to.",
]
LIKE_U = [
    "I like {x}.",
    "I love {x}.",
    "I really like {x}.",
    "I enjoy {x}.",
    "I like {x} very much.",
    "I am fond of {x}.",
]


def hobby(rng: random.Random, ctx: Ctx) -> list[Turn]:
    x, y = rng.sample(b.HOBBIES, 2)
    verb = "are" if x == "board games" else "is"
    kw = {"x": x, "X": cap(x), "y": y, "v": verb, "d": rng.choice(b.DAYS), "s": "" if verb == "are" else "s"}
    r = rng.random()
    if r < 0.15:
        return [
            (
                f"What do you think about {x}?",
                say(
                    rng,
                    kw,
                    [
                        "I think {x} can be a lot of fun.",
                        "{X} {v} a fine way to spend time.",
                        "Many people enjoy {x}.",
                        "I have no hands, but {x} sound{s} lovely.",
                    ],
                    [
                        "Do you enjoy it?" if verb == "is" else "Do you enjoy them?",
                        "Would you like to try?",
                        "",
                    ],
                ),
            )
        ]
    if r < 0.3:
        return [
            (
                rng.choice([f"Should I try {x} or {y}?", f"What is better, {x} or {y}?", f"{cap(x)} or {y}?"]),
                say(
                    rng,
                    kw,
                    [
                        "Both are good. I would start with {x}.",
                        "Both are good. I would try {y} first.",
                        "If you want something new, try {y}.",
                        "I would pick {x}, but it is up to you.",
                        "You could try {x} today and {y} next week.",
                    ],
                ),
            )
        ]
    u = say(
        rng,
        kw,
        LIKE_U
        + [
            "My hobby is {x}." if verb == "is" else "I enjoy {x}.",
            "I find joy in {x}.",
            "In my free time I like {x}.",
            "I like {x} and {y}.",
        ],
    )
    a = say(
        rng,
        kw,
        maybe(ACK),
        [
            "{X} {v} a good way to relax.",
            "{X} can be a lot of fun.",
            "So you like {x}.",
            "It is good to have time for {x}.",
            "{X} {v} a nice hobby." if verb == "is" else "{X} are a nice hobby.",
        ],
        maybe(["How did you start?", "How often do you do that?", "Do you do it alone or with friends?"]),
    )
    if y in u and rng.random() < 0.8:
        a = say(
            rng,
            kw,
            [
                "{X} and {y} make a good pair.",
                "You like {x} and {y}, so you are never bored.",
                "Which do you like more, {x} or {y}?",
            ],
        )
    t = [(u, a)]
    r = rng.random()
    if r < 0.3:
        u2, a2 = rng.choice(
            [
                ("every {d}", "Every {d}"),
                ("on {d} evenings", "On {d} evenings"),
                ("with my friends on {d}", "On {d} with friends"),
            ]
        )
        t.append(
            (
                rng.choice(["I do it ", "Mostly "]) + u2.format(**kw) + ".",
                say(
                    rng,
                    kw,
                    [
                        a2 + " sounds good.",
                        "Then {d} must be a good day for you.",
                        "Then you can look forward to {d}.",
                    ],
                ),
            )
        )
    elif r < 0.6:
        ask_more(
            rng,
            kw,
            t,
            WHY_LIKE,
            [
                "You can start with {x} in a small way and learn as you go.",
                "You could find a group of people who like {x} too.",
                "Some people like {x} alone, and some like company.",
            ],
            1.0,
        )
    return t


MEAL = [
    "for breakfast",
    "for lunch",
    "for dinner",
    "on a cold day",
    "on Sundays",
    "after work",
    "in the evening",
    "with my family",
    "when I am tired",
    "on my birthday",
    "every day",
    "at the weekend",
    "in summer",
]


def food(rng: random.Random, ctx: Ctx) -> list[Turn]:
    r = rng.random()
    one = rng.random() < 0.5
    x = rng.choice(b.FOOD_ONE if one else b.FOOD_MANY)
    eat = "eat"
    if r < 0.3:
        one, x, eat = True, rng.choice(b.DRINKS), "drink"
    y = rng.choice(b.FOOD_ONE + b.FOOD_MANY if eat == "eat" else b.DRINKS)
    y = y if y != x else "soup"
    m = rng.choice(MEAL)
    kw = {
        "x": x,
        "X": cap(x),
        "y": y,
        "be": "is" if one else "are",
        "it": "it" if one else "them",
        "s": "s" if one else "",
        "eat": eat,
        "m": m,
        "m2": m.replace("my", "your").replace("I am", "you are"),
        "It": "It" if one else "They",
        "Y": cap(y),
    }
    r = rng.random()
    if r < 0.15:
        u = say(
            rng,
            kw,
            [
                "Do you like {x}?",
                "Do you {eat} {x}?",
                "Have you ever tried {x}?",
                "Would you like some {x}?" if not x.startswith("a ") else "Would you like {x}?",
            ],
        )
        return [
            (
                u,
                say(
                    rng,
                    kw,
                    [
                        "I am a program, so I do not {eat} anything.",
                        "I cannot {eat}, but I can talk about {x}.",
                        "I do not {eat}, but {x} sound{s} good.",
                    ],
                    ["Do you like {x}?", "Many people like {x}.", "How do you like {it}?"],
                ),
            )
        ]
    if r < 0.3:
        return [
            (
                say(
                    rng,
                    kw,
                    [
                        "{X} or {y}?",
                        "Should I have {x} or {y}?",
                        "What should I {eat}, {x} or {y}?",
                        "I cannot choose between {x} and {y}.",
                    ],
                ),
                say(
                    rng,
                    kw,
                    [
                        "I would take {x}.",
                        "I would choose {y}.",
                        "How about {x} today and {y} tomorrow?",
                        "{X} would be nice.",
                        "{Y} would be nice.",
                    ],
                    maybe(["Enjoy your meal." if eat == "eat" else "Enjoy your drink.", "But you know best."]),
                ),
            )
        ]
    if r < 0.42:
        u = say(rng, kw, ["I do not like {x}.", "I never {eat} {x}.", "I cannot stand {x}."])
        return [
            (
                u,
                say(
                    rng,
                    kw,
                    [
                        "That is fine. Not everyone likes {x}.",
                        "Then you can leave {x} to others.",
                        "I see, {x} {be} not for you.",
                    ],
                    [
                        "What do you like instead?",
                        "Do you like {y}?",
                        "Is {y} better?" if y not in b.FOOD_MANY else "Are {y} better?",
                    ],
                ),
            )
        ]
    u = say(
        rng,
        kw,
        LIKE_U[:5]
        + [
            "I like {x} {m}.",
            "I often {eat} {x} {m}.",
            "My favourite " + ("food" if eat == "eat" else "drink") + " {be} {x}.",
            "I had {x} today.",
            "I love {x} {m}.",
        ],
    )
    body = [
        "{X} {be} a good choice.",
        "{X} {be} lovely.",
        "So you like {x}.",
        "Many people like {x}.",
        "{X} sound{s} good to me.",
    ]
    if m in u:
        body = ["{X} {be} nice {m2}.", "You {eat} {x} {m2}, how nice.", "{X} {m2} sound{s} good."]
    t = [
        (
            u,
            say(
                rng,
                kw,
                maybe(["Yum.", "That sounds tasty.", "How nice."]),
                body,
                maybe(["Do you make {it} yourself?", "What goes well with {it}?", "Do you like {y} too?"]),
            ),
        )
    ]
    if rng.random() < 0.35:
        who = rng.choice(b.FAMILY)
        z = x.removeprefix("a ")
        t.append(
            (
                f"My {who[0]} makes the best {z}.",
                rng.choice(
                    [
                        f"Then your {who[0]} must know a lot about {z}.",
                        f"Your {who[0]} should be proud of the {z}.",
                        f"You could ask your {who[0]} how to make {kw['it']}.",
                    ]
                ),
            )
        )
    return t


PET_NOTE = [
    "{P} sounds like a fine {k}.",
    "{P} is a good name for {ak}.",
    "It must be nice to have {ak}.",
    "{P} is a lucky {k}.",
    "I would like to hear more about {P}.",
    "Give {P} my best wishes.",
]


def pet(rng: random.Random, ctx: Ctx) -> list[Turn]:
    k, p = rng.choice(b.ANIMALS), rng.choice(b.PET_NAMES)
    kw = {"k": k, "P": p, "ak": an(k), "n": rng.choice(b.NUMBERS)}
    kw["N"] = cap(kw["n"])
    u = say(
        rng,
        kw,
        [
            "I have {ak} called {P}.",
            "My {k} is called {P}.",
            "I have {ak}. The name is {P}.",
            "We have {ak} named {P}.",
            "I just got {ak} and named it {P}.",
        ],
    )
    t = [
        (
            u,
            say(
                rng,
                kw,
                maybe(["How nice.", "Oh, lovely.", "How sweet."]),
                PET_NOTE,
                maybe(
                    [
                        "How old is {P}?",
                        "What does {P} like to do?",
                        "Is {P} friendly?",
                        "Does {P} sleep a lot?",
                    ]
                ),
            ),
        )
    ]
    r = rng.random()
    if r < 0.25:
        t.append(
            (
                say(rng, kw, ["{P} is {n} years old.", "It is {n} years old.", "{P} is now {n}."]),
                say(
                    rng,
                    kw,
                    [
                        "{N} is a fine age for {ak}.",
                        "I hope {P} stays well for many years.",
                        "{P} is {n}, I see.",
                    ]
                    if rng.random() < 0.7
                    else ["That is a good age.", "{N} is a fine age for {ak}."],
                ),
            )
        )
    elif r < 0.5:
        w = rng.choice(
            [
                "sleep all day",
                "play in the garden",
                "sit by the window",
                "eat",
                "hide under the bed",
                "run around the house",
                "watch the rain",
                "look at people",
            ]
        )
        t.append(
            (
                f"{p} likes to {w}.",
                rng.choice(
                    [
                        f"I can picture {p} now. Many pets like to {w}.",
                        f"So {p} likes to {w}. That is sweet.",
                        f"It is fun that {p} likes to {w}.",
                    ]
                ),
            )
        )
    elif r < 0.75:
        t.append(
            (
                say(
                    rng,
                    kw,
                    [
                        "What is my {k} called?",
                        "Do you remember the name of my {k}?",
                        "What is the name of my {k}?",
                    ],
                ),
                say(
                    rng,
                    kw,
                    [
                        "Your {k} is called {P}.",
                        "The name of your {k} is {P}.",
                        "It is {P}.",
                        "You said {P}.",
                    ],
                ),
            )
        )
    else:
        t.append(
            (
                say(rng, kw, ["What kind of animal is {P}?", "Who is {P}?", "What is {P}?"]),
                say(rng, kw, ["{P} is your {k}.", "{P} is {ak}.", "You told me that {P} is your {k}."]),
            )
        )
    return t


def family(rng: random.Random, ctx: Ctx) -> list[Turn]:
    who, he, him, his = rng.choice(b.FAMILY)
    job, city, n, h = rng.choice(b.JOBS), rng.choice(b.CITIES), rng.choice(b.NAMES), rng.choice(b.HOBBIES)
    kw = {
        "w": who,
        "j": an(job),
        "jb": job,
        "c": city,
        "n": n,
        "h": h,
        "he": he,
        "He": cap(he),
        "him": him,
        "his": his,
        "s": "" if he == "they" else "s",
        "is": "are" if he == "they" else "is",
    }
    r = rng.random()
    if r < 0.3:
        q = ("Where does my {w} live?", ["Your {w} lives in {c}.", "In {c}.", "You said {c}."])
        u, a = (
            "My {w} lives in {c}.",
            [
                "{c} is a nice place to live.",
                "I hope your {w} likes {c}.",
                "Do you often visit your {w} in {c}?",
                "So you have family or friends in {c}.",
            ],
        )
    elif r < 0.55:
        q = (
            "What does my {w} do?",
            ["Your {w} is {j}.", "{He} work{s} as {j}.", "You said that your {w} is {j}."],
        )
        u, a = (
            "My {w} is {j}.",
            [
                "It is useful work to be {j}.",
                "Does your {w} like the work?",
                "{j} can be very busy.",
                "So {he} {is} {j}. That is interesting.",
            ],
        )
    elif r < 0.8:
        q = ("What is the name of my {w}?", ["Your {w} is called {n}.", "{His} name is {n}.", "It is {n}."])
        u, a = (
            "My {w} is called {n}.",
            [
                "{n} is a good name.",
                "Please say hello to {n} from me.",
                "Is {n} a big part of your life?",
                "What do you and {n} like to do together?",
            ],
        )
    else:
        q = ("What does my {w} like?", ["Your {w} likes {h}.", "{He} like{s} {h}.", "You said {h}."])
        u, a = (
            "My {w} likes {h}.",
            ["Do you like {h} too?", "It is nice that {he} like{s} {h}.", "Your {w} has found a good hobby."],
        )
    kw["His"] = cap(his)
    a1 = say(rng, kw, maybe(ACK[:7], 2), list(a))
    a1 = cap(a1)
    if ". a" in a1 or ". it" in a1:
        a1 = ". ".join(cap(s) for s in a1.split(". "))
    t = [(u.format(**kw), a1)]
    if rng.random() < 0.5:
        t.append((q[0].format(**kw), say(rng, kw, q[1])))
    return t


def work(rng: random.Random, ctx: Ctx) -> list[Turn]:
    j, p = rng.choice(b.JOBS), rng.choice(b.WORKPLACES)
    kw = {"j": j, "aj": an(j), "Aj": cap(an(j)), "p": p, "tp": "the " + p.split(" ", 1)[1]}
    r = rng.random()
    t: list[Turn] = []
    if r < 0.35:
        t.append(
            (
                say(
                    rng,
                    kw,
                    [
                        "I am {aj}.",
                        "I work as {aj}.",
                        "I am {aj} by trade.",
                        "My job is to be {aj}.",
                        "I want to become {aj}.",
                    ],
                ),
                say(
                    rng,
                    kw,
                    maybe(ACK[:7], 2),
                    [
                        "{Aj} has a lot to do.",
                        "Do you like your work as {aj}?",
                        "What is the best part of being {aj}?",
                        "How long does it take to become {aj}?",
                        "People need a good {j}.",
                    ],
                ),
            )
        )
        if "want" in t[0][0]:
            t[0] = (
                t[0][0],
                say(
                    rng,
                    kw,
                    [
                        "It is a good goal to become {aj}.",
                        "I think you could be a fine {j}.",
                        "Why do you want to be {aj}?",
                    ],
                    maybe(["I wish you luck.", "Keep going."]),
                ),
            )
        q = (
            say(rng, kw, ["What is my job?", "What do I do?", "What did I say about my job?"]),
            say(
                rng,
                kw,
                ["You said that you want to become {aj}.", "You want to be {aj}."]
                if "want" in t[0][0]
                else ["You are {aj}.", "You work as {aj}.", "You told me that you are {aj}."],
            ),
        )
    elif r < 0.65:
        t.append(
            (
                say(
                    rng,
                    kw,
                    [
                        "I work at {p}.",
                        "I have a job at {p}.",
                        "I started to work at {p}.",
                        "My work is at {p}.",
                    ],
                ),
                say(
                    rng,
                    kw,
                    maybe(ACK[:7], 2),
                    [
                        "Is it busy to work at {p}?",
                        "What do you do at {tp}?",
                        "You must meet many people at {p}.",
                        "I can imagine that {p} is an interesting place.",
                        "How long have you been there?",
                    ],
                ),
            )
        )
        q = (
            "Where do I work?",
            say(rng, kw, ["You work at {p}.", "At {p}.", "You told me that you work at {p}."]),
        )
    else:
        t.append(
            (
                say(rng, kw, ["I am {aj} at {p}.", "I work as {aj} at {p}.", "I got a job as {aj} at {p}."]),
                say(
                    rng,
                    kw,
                    [
                        "{Aj} at {p} must have long days.",
                        "So you are {aj} at {p}. How do you like it?",
                        "I hope they treat you well at {tp}.",
                        "Being {aj} at {p} sounds like good work.",
                    ],
                ),
            )
        )
        q = ("Where do I work?", say(rng, kw, ["You work at {p}.", "At {p}.", "You are {aj} at {p}."]))
    r = rng.random()
    if r < 0.35:
        t.append(q)
    elif r < 0.6:
        t.append(
            (
                rng.choice(["What does {aj} do?", "Is it hard to be {aj}?", "What should {aj} be good at?"]).format(
                    **kw
                ),
                say(
                    rng,
                    kw,
                    [
                        "{Aj} needs patience and practice.",
                        "It takes time to become a good {j}.",
                        "I only know a little, but {aj} works hard.",
                        "I think {aj} learns something new each week.",
                    ],
                ),
            )
        )
    return t


def school(rng: random.Random, ctx: Ctx) -> list[Turn]:
    s, o = rng.sample(b.SUBJECTS, 2)
    kw = {"s": s, "S": cap(s), "as_": an(s), "o": o, "O": cap(o), "d": rng.choice(b.DAYS)}
    k = rng.randrange(5)
    if k == 0:
        u = ["I like {s} at school.", "My favourite subject is {s}.", "I love my {s} class."]
        a = [
            "{S} is a good subject.",
            "What do you like about {s}?",
            "It is nice to enjoy {s}.",
            "Do you have a good {s} teacher?",
        ]
    elif k == 1:
        u = ["I have {as_} test on {d}.", "There is {as_} exam on {d}.", "I must study {s} for {d}."]
        a = [
            "Good luck with {s} on {d}.",
            "Read a little {s} each day until {d}.",
            "I hope {d} goes well.",
            "Take short breaks when you study {s}.",
        ]
    elif k == 2:
        u = ["I am bad at {s}.", "{S} is hard for me.", "I do not understand {s}."]
        a = [
            "{S} can be hard at first.",
            "Many people find {s} hard.",
            "Ask your teacher for one clear {s} example.",
            "A little {s} each day may help.",
        ]
    elif k == 3:
        u = [
            "I like {s} but I do not like {o}.",
            "{S} is easy and {o} is hard.",
            "I am better at {s} than at {o}.",
        ]
        a = [
            "Good that you have {s}. Maybe {o} will get easier.",
            "What is it about {o} that is hard?",
            "You can be proud of {s}, and {o} just needs practice.",
        ]
    else:
        u = ["I have {s} on {d}.", "On {d} we have {s}.", "My next lesson is {s} on {d}."]
        a = [
            "I hope you enjoy {s} on {d}.",
            "Do you look forward to {d}?",
            "What do you learn in {s} right now?",
        ]
    t = [(say(rng, kw, u), say(rng, kw, maybe(["I see.", "Thank you for telling me."], 3), a))]
    if k == 4 and rng.random() < 0.6:
        t.append(
            (
                say(rng, kw, ["When do I have {s}?", "Which day did I say?"]),
                say(rng, kw, ["On {d}.", "You have {s} on {d}.", "You said {d}."]),
            )
        )
    else:
        ask_more(
            rng,
            kw,
            t,
            ["Because {s} gets easier when you practise.", "Because we learn {s} best in small steps."],
            [
                "You could explain {s} to a friend. That helps you learn.",
                "Try to find one thing in {s} that you like.",
                "Ten minutes of {s} a day is a good start.",
            ],
        )
    return t


def travel(rng: random.Random, ctx: Ctx) -> list[Turn]:
    r = rng.random()
    if r < 0.4:
        p1 = p2 = rng.choice(b.PLACES)
    elif r < 0.55:
        p1, p2 = rng.choice(b.PLACES_MY)
    else:
        p1 = p2 = rng.choice(b.CITIES if r < 0.8 else b.COUNTRIES)
    who = rng.choice(b.FAMILY)[0]
    kw = {
        "p": p1,
        "q": p2,
        "Q": cap(p2),
        "w": who,
        "t": rng.choice(["by train", "by bus", "by car", "by plane", "by bike"]),
        "m": rng.choice(b.MONTHS),
        "k": rng.choice(b.WHEN),
    }
    k = rng.randrange(4)
    if k == 0:
        u = ["I am going to {p} in {m}.", "I will travel to {p} in {m}.", "We want to go to {p} in {m}."]
        a = [
            "{m} is a good time for a trip.",
            "I hope you enjoy {q} in {m}.",
            "What will you do in {m} when you get there?",
            "A trip to {q} sounds lovely.",
        ]
        q = ("When will I go?", ["In {m}.", "You will go in {m}.", "You said {m}."])
    elif k == 1:
        u = [
            "I went to {p} with my {w}.",
            "My {w} and I went to {p}.",
            "Last week I saw {p} with my {w}." if r < 0.55 else "Last week I was in {p} with my {w}.",
        ]
        a = [
            "I hope you and your {w} had a good time.",
            "What did you like best about {q}?",
            "A trip with your {w} sounds nice.",
        ]
        q = ("Who went with me?", ["Your {w} went with you.", "Your {w}.", "You went with your {w}."])
    elif k == 2:
        u = ["I am going to {p} {t} {k}.", "I will go to {p} {t} {k}.", "We are going to {p} {t} {k}."]
        a = [
            "Have a safe trip to {q}.",
            "Going {t} can be fun.",
            "I hope you have a good journey to {q}.",
            "Enjoy the way {t}.",
        ]
        q = ("How will I get there?", ["You will go {t}.", "You said {t}.", "You will travel {t}."])
    else:
        u = ["I love {p}.", "I would like to see {p}.", "I dream of a trip to {p}.", "I miss {p}."]
        a = [
            "What do you like about {q}?",
            "I hope you can go to {q} soon.",
            "{Q} means a lot to you, I think.",
            "I have never been to {q}, because I am a program.",
        ]
        q = ("Which place did I talk about?", ["You talked about {q}.", "You said {q}."])
    us = say(rng, kw, u)
    t = [
        (
            us,
            say(
                rng,
                kw,
                maybe(["How nice.", "That sounds good.", "Oh, lovely."]) if "miss" not in us else ["I understand.", ""],
                a,
            ),
        )
    ]
    r = rng.random()
    if r < 0.35:
        t.append((q[0], say(rng, kw, q[1])))
    elif r < 0.55:
        items = rng.sample(
            [
                "a warm sweater",
                "a book",
                "good shoes",
                "some snacks",
                "an umbrella",
                "a bottle of water",
                "a map",
                "a hat",
                "a small towel",
                "your ticket",
                "a camera",
                "a pen",
            ],
            3,
        )
        t.append(
            (
                rng.choice(["What should I pack?", "What should I take with me?", "What do I need?"]),
                rng.choice(["You could take ", "I would pack ", "Think of "]) + join(items) + ".",
            )
        )
    return t


def music(rng: random.Random, ctx: Ctx) -> list[Turn]:
    kind = rng.randrange(3)
    n = rng.choice(b.NUMBERS)
    if kind == 0:
        x = rng.choice(b.MUSIC)
        kw = {"x": x, "X": cap(x), "be": "are" if x in b.MANY_MUSIC else "is"}
        u = LIKE_U + ["I often listen to {x}.", "My favourite music is {x}."]
        a = [
            "{X} can lift the mood.",
            "{X} {be} nice to listen to.",
            "When do you listen to {x}?",
            "Do you sing along to {x}?",
            "A little {x} can change a whole evening." if x not in b.MANY_MUSIC else "{X} can change a whole evening.",
        ]
    elif kind == 1:
        x = rng.choice(b.INSTRUMENTS)
        kw = {"x": "the " + x, "X": "The " + x, "i": x, "n": n}
        u = ["I play {x}.", "I am learning {x}.", "I have played {x} for {n} years.", "I want to learn {x}."]
        a = [
            "{X} has a lovely sound.",
            "It takes time to learn {x}, but it is worth it.",
            "What do you like to play on {x}?",
            "Practise {x} a little each day.",
        ]
    else:
        x = rng.choice(b.SPORTS)
        kw = {"x": x, "X": cap(x), "d": rng.choice(b.DAYS), "n": n}
        be = "are" if x == "darts" else "is"
        kw["be"] = be
        u = LIKE_U + [
            "My favourite sport is {x}.",
            "I do not like {x}.",
            "I watch {x} on {d}.",
            "I have done {x} for {n} years.",
        ]
        a = [
            "{X} {be} a good sport.",
            "{X} can be hard, but also fun.",
            "Do you like to watch {x} or to take part?",
            "How did you come to {x}?",
            "{X} {be} not for everyone, but many people love it.",
        ]
    us = say(rng, kw, u).replace("love love", "enjoy love")
    t = [(us, say(rng, kw, maybe(ACK[:9], 2) if "not" not in us else ["I see."], a))]
    ask_more(
        rng,
        kw,
        t,
        WHY_LIKE,
        [
            "Some people enjoy {x} alone and some with friends.",
            "You could make a little time for {x} this week.",
            "It is nice to share {x} with someone.",
        ],
    )
    return t


def books(rng: random.Random, ctx: Ctx) -> list[Turn]:
    x = rng.choice(b.BOOKS)
    c = rng.choice(
        list(b.GROUPS)
        + [
            "a lost dog",
            "two brothers",
            "a long journey",
            "an old house",
            "a brave girl",
            "a quiet man",
            "a baker",
            "a lonely king",
            "a talking fox",
            "a family in a small town",
        ]
    )
    kw = {"x": x, "X": cap(x), "c": c, "n": rng.choice(b.NUMBERS)}
    if rng.random() < 0.5:
        u, a = (
            ["I am reading a book about {c}.", "I read a story about {c}.", "My book is about {c}."],
            [
                "A book about {c} sounds good.",
                "What have you learned about {c} so far?",
                "How does the story about {c} begin?",
                "I hope the book about {c} has a good end.",
            ],
        )
    else:
        u, a = (
            LIKE_U + ["I read {x} in bed.", "I have {n} shelves of {x}."],
            [
                "{X} can be hard to put down.",
                "What do you like about {x}?",
                "{X} are good for a quiet evening.",
                "Do you read {x} every day?",
            ],
        )
    us = say(rng, kw, u).replace("love love", "enjoy love")
    t = [(us, say(rng, kw, maybe(ACK, 2), a))]
    ask_more(
        rng,
        kw,
        t,
        ["Because a good book takes you to another place.", "Because reading gives the mind some rest."],
        [
            "You could tell a friend about your book.",
            "A chair by the window is a good place to read.",
            "Maybe you can write down a line that you like.",
        ],
    )
    return t


def birthday(rng: random.Random, ctx: Ctx) -> list[Turn]:
    d, m = rng.randint(1, 28), rng.choice(b.MONTHS)
    who = rng.choice(b.FAMILY)[0]
    kw = {"m": m, "d": str(d), "w": who}
    k = rng.randrange(3)
    if k == 0:
        t = [
            (
                say(
                    rng,
                    kw,
                    ["It is my birthday today.", "Today is my birthday.", "I have my birthday today."],
                ),
                say(
                    rng,
                    kw,
                    ["Happy birthday!", "Happy birthday to you!", "All my best wishes on your birthday!"],
                    [
                        "I hope you have a lovely day.",
                        "Will there be cake?",
                        "Have a wonderful day.",
                        "How will you celebrate?",
                    ],
                ),
            )
        ]
        f = rng.choice(b.FOOD_MANY + b.FOOD_ONE)
        t.append(
            (
                f"I will celebrate with my {who} and eat {f}.",
                rng.choice(
                    [
                        f"Enjoy the {f} with your {who}.",
                        f"Your {who} and {f} make a fine party.",
                        f"A day with your {who} sounds lovely.",
                    ]
                ),
            )
        )
        return t
    if k == 1:
        t = [
            (
                say(
                    rng,
                    kw,
                    ["My birthday is on {m} {d}.", "I was born on {m} {d}.", "My birthday is in {m}."],
                ),
                say(
                    rng,
                    kw,
                    [
                        "{m} is a nice month for a birthday.",
                        "I will keep {m} in mind while we talk.",
                        "Do you celebrate it in {m}?",
                        "So you have your birthday in {m}.",
                    ],
                ),
            )
        ]
        t.append(
            (
                rng.choice(["When is my birthday?", "Do you remember my birthday?", "In which month is my birthday?"]),
                "It is in " + m + "." if d % 2 or kw["d"] not in t[0][0] else f"It is on {m} {d}.",
            )
        )
        return t
    return [
        (
            say(
                rng,
                kw,
                [
                    "It is my {w}'s birthday in {m}.",
                    "My {w} has a birthday in {m}.",
                    "My {w} was born in {m}.",
                ],
            ),
            say(
                rng,
                kw,
                [
                    "Will you have a party for your {w}?",
                    "What will you give your {w}?",
                    "I wish your {w} a happy day in {m}.",
                    "{m} is a good month for cake with your {w}.",
                ],
            ),
        )
    ]


def encourage(rng: random.Random, ctx: Ctx) -> list[Turn]:
    p1, p2 = rng.choice(b.PLANS)
    r1, r2 = rng.choice(b.REASONS["worried"])
    kw = {"p1": p1, "p2": p2, "r1": r1, "r2": r2}
    if rng.random() < 0.5:
        u = [
            "I want to {p1}, but I am not sure I can do it.",
            "Cheer me on, I have to {p1}.",
            "Can I really {p1}?",
            "I do not feel ready to {p1}.",
        ]
        a = [
            "You can {p2}. Start with a small step.",
            "I believe that you can {p2}.",
            "You do not have to be perfect to {p2}.",
            "It is fine to {p2} slowly.",
        ]
    else:
        u = [
            "Please encourage me. {R1}.",
            "Say something kind to me, because {r1}.",
            "I need some courage. {R1}.",
        ]
        a = [
            "I know that {r2}. You can handle it step by step.",
            "It is not easy that {r2}, but you are stronger than you think.",
            "You are doing your best, and that is enough.",
            "Because {r2}, be gentle with yourself today.",
        ]
    kw["R1"] = cap(r1)
    t = [
        (
            say(rng, kw, u),
            say(
                rng,
                kw,
                a,
                maybe(["I wish you luck.", "You will be fine.", "One step at a time.", "I am on your side."]),
            ),
        )
    ]
    if rng.random() < 0.4:
        t.append((rng.choice(["Thank you, that helps.", "Do you mean it?", "What if I fail?", "I will try."]), ""))
        a2 = {
            "Th": ["I am glad that it helps.", "You are welcome."],
            "Do": ["Yes, I mean it.", "Yes, I do."],
            "Wh": ["Then you will have learned something.", "Then you can try again."],
            "I ": ["That is the right spirit.", "Good. Trying is a fine start."],
        }[t[-1][0][:2]]
        t[-1] = (
            t[-1][0],
            rng.choice(a2) + rng.choice(["", " Good luck!", " Take your time.", " I wish you well."]),
        )
    return t


def advice(rng: random.Random, ctx: Ctx) -> list[Turn]:
    us, ans, why = rng.choice(b.ADVICE)
    u = cap(rng.choice(us))
    u = rng.choice(["", "", "Please help. ", "Hi. ", "I have a question. ", "Any advice? "]) + u
    end = (
        "?"
        if (any(w in u.split()[:9] for w in ("how", "How", "what", "What", "any", "Any")) and "," not in u)
        or "what" in u
        else "."
    )
    if u.endswith((" tips", " ideas")) or "where do" in u:
        end = "?"
    first, second = rng.sample(ans, 2)
    t = [
        (
            u + end,
            rng.choice(
                [
                    "",
                    "",
                    "I have an idea. ",
                    "Good question. ",
                    "Here is a thought. ",
                    "That is a common question. ",
                ]
            )
            + first,
        )
    ]
    r = rng.random()
    if r < 0.3:
        t.append((rng.choice(["Why?", "Why does that help?", "Why is that?"]), rng.choice(why)))
    elif r < 0.55:
        t.append(
            (
                rng.choice(["What else can I do?", "Any other idea?", "Tell me more.", "I tried that already."]),
                rng.choice(["", "Here is another idea. ", "You could also try this. "]) + second,
            )
        )
    elif r < 0.65:
        t.append(
            (
                rng.choice(["I will try that.", "That makes sense.", "Good idea, thanks."]),
                rng.choice(
                    [
                        "I hope it works for you.",
                        "Good luck with it.",
                        "Let me know how it goes.",
                        "I am glad if it helps.",
                    ]
                ),
            )
        )
    return t


PRAISE = [
    "kind",
    "nice",
    "clever",
    "funny",
    "helpful",
    "smart",
    "patient",
    "great",
    "friendly",
    "good at this",
    "polite",
    "sweet",
    "wonderful",
    "a good listener",
    "very good",
    "easy to talk to",
]
BLAME = [
    "repeated myself",
    "was rude",
    "wrote the wrong word",
    "was slow to answer",
    "made a mistake",
    "shouted",
    "forgot to say hello",
    "asked too many questions",
    "left so quickly",
    "did not listen",
    "wasted your time",
    "mixed up two names",
]


def manners(rng: random.Random, ctx: Ctx) -> list[Turn]:
    r = rng.random()
    if r < 0.4:
        x = rng.choice(PRAISE)
        kw = {"x": x}
        return [
            (
                say(
                    rng,
                    kw,
                    [
                        "You are {x}.",
                        "You are so {x}." if not x.startswith(("a ", "very")) else "You are {x}.",
                        "I think you are {x}.",
                        "You are really {x}." if not x.startswith("very") else "You are {x}.",
                    ],
                ),
                say(
                    rng,
                    kw,
                    [
                        "Thank you!",
                        "Thank you for saying so.",
                        "That is kind of you.",
                        "How nice of you to say that I am {x}.",
                        "I am glad that you find me {x}.",
                    ],
                    maybe(
                        [
                            "I try to be {x}.",
                            "You are kind too.",
                            "You made my day.",
                            "What shall we talk about next?",
                            "It is nice to talk with you.",
                        ]
                    ),
                ),
            )
        ]
    if r < 0.75:
        x = rng.choice(BLAME)
        kw = {
            "x": x,
            "y": x.replace("myself", "yourself").replace("your", "my") if "myself" not in x else "repeated yourself",
            "z": x,
        }
        kw["y"] = kw["y"].replace("was ", "were ")
        return [
            (
                say(
                    rng,
                    kw,
                    [
                        "I am sorry that I {x}.",
                        "Sorry, I {x}.",
                        "I {x}. I am sorry.",
                        "Please forgive me, I {x}.",
                    ],
                ),
                say(
                    rng,
                    kw,
                    [
                        "That is all right.",
                        "No problem.",
                        "Do not worry about it.",
                        "It is fine.",
                        "Thank you for saying sorry.",
                    ],
                    maybe(
                        [
                            "It is no trouble that you {y}.",
                            "I do not mind that you {y}.",
                            "It happens to everyone.",
                            "Let us just go on.",
                            "So you {y}, but it is forgotten.",
                        ],
                        0,
                    ),
                ),
            )
        ]
    x = rng.choice(
        [
            "your help",
            "your time",
            "the talk",
            "the advice",
            "listening",
            "the kind words",
            "the joke",
            "your patience",
            "everything",
            "the idea",
            "your answer",
            "being here",
            "the tip",
        ]
    )
    kw = {"x": x, "y": x.replace("your", "my")}
    return [
        (
            say(
                rng,
                kw,
                [
                    "Thank you for {x}.",
                    "Thanks for {x}.",
                    "Many thanks for {x}.",
                    "I want to thank you for {x}.",
                ],
            ),
            say(
                rng,
                kw,
                [
                    "You are welcome.",
                    "It was a pleasure.",
                    "Any time.",
                    "I am glad that you liked {y}."
                    if x in ("the talk", "the advice", "the joke", "the idea", "the tip", "your answer")
                    else "You are very welcome.",
                ],
                maybe(
                    [
                        "Is there anything else?",
                        "Have a good day.",
                        "It is nice of you to thank me for {y}.",
                        "I enjoyed our talk.",
                    ]
                ),
            ),
        )
    ]


ID_Q: list[tuple[list[str], list[str]]] = [
    (
        [
            "Who are you?",
            "What are you?",
            "Tell me about yourself.",
            "Can you introduce yourself?",
            "Who am I talking to?",
        ],
        [
            "I am a small language model.",
            "I am a small chat program.",
            "I am a language model, and a small one.",
            "You are talking to a small language model.",
        ],
    ),
    (
        [
            "What can you do?",
            "How can you help me?",
            "What are you good at?",
            "What do you know?",
            "Can you help me?",
        ],
        [
            "I can chat about simple things.",
            "I can talk about daily life, food, plans and feelings.",
            "I can answer easy questions and tell a joke.",
            "I can listen and give short replies.",
        ],
    ),
    (
        [
            "Are you human?",
            "Are you a real person?",
            "Are you a person?",
            "Are you a machine?",
            "Are you alive?",
            "Am I talking to a human?",
        ],
        [
            "I am not a person. I am a small language model.",
            "I am a computer program, not a human.",
            "I am only a program that writes text.",
            "There is no person here, just a small model.",
        ],
    ),
    (
        [
            "Are you always right?",
            "Can you be wrong?",
            "Do you make mistakes?",
            "Can I trust you?",
            "Are you sure about things?",
        ],
        [
            "I can be wrong, so please check important things.",
            "I make mistakes. I am a small model.",
            "I try my best, but I am often wrong about hard things.",
            "Please check with another source when it matters.",
        ],
    ),
    (
        [
            "Do you have feelings?",
            "Can you feel happy?",
            "Do you get tired?",
            "Do you sleep?",
            "Do you get bored?",
            "Do you eat?",
            "Do you have a body?",
            "Can you see me?",
            "Do you have a family?",
            "Do you get hungry?",
            "Do you dream?",
        ],
        [
            "I am a program, so I do not live like a person.",
            "I am only text, so that does not apply to me.",
            "No, I am a small model. I only read and write words.",
            "I have no body and no home. I only write text.",
        ],
    ),
    (
        ["How old are you?", "Where do you live?", "Where are you from?", "When is your birthday?"],
        [
            "I am only a program, so I have no age and no home.",
            "I am a small model. I have no age and I live nowhere.",
            "That does not apply to me, because I am just a program.",
        ],
    ),
    (
        ["Do you remember our last talk?", "Will you remember me tomorrow?", "Do you keep what I say?"],
        [
            "I can only use what we say in this chat.",
            "I only know what is in this conversation.",
            "I do not remember other talks. I know only this one.",
        ],
    ),
]
ID_MORE = [
    "What would you like to talk about?",
    "Ask me something simple.",
    "I am happy to talk with you.",
    "I keep my answers short.",
    "I do not know very much, but I like to chat.",
    "You can tell me about your day.",
    "I can still listen.",
    "We can talk about {t}, for example.",
    "Would you like to talk about {t}?",
    "You could tell me about {t}.",
]


def identity(rng: random.Random, ctx: Ctx) -> list[Turn]:
    topics = [
        rng.choice(b.HOBBIES),
        rng.choice(b.FOOD_ONE + b.FOOD_MANY),
        rng.choice(b.SPORTS),
        "your day",
        "the weather",
        rng.choice(b.BOOKS),
    ]
    kw = {"t": rng.choice(topics), "n": ctx.get("bot", ""), "s": ctx.get("shop", "")}
    if rng.random() < 0.3 or (kw["n"] and rng.random() < 0.6):
        u = rng.choice(
            [
                "What is your name?",
                "Do you have a name?",
                "What should I call you?",
                "Who are you?",
                "What are you called?",
            ]
        )
        a = (
            ["My name is {n}.", "I am {n}.", "You can call me {n}.", "I am called {n}."]
            if kw["n"]
            else [
                "I do not have a name.",
                "I have no name. I am just a small model.",
                "I do not have a name, but you can give me one.",
                "You can call me what you like.",
            ]
        )
        if kw["s"] and "Who" in u:
            a = [
                "I answer questions for a {s}.",
                "I am the helper of a {s}.",
                "I am a small program that helps a {s}.",
            ]
            if kw["s"][0] in "aeiou":
                a = [x.replace("a {s}", "an {s}") for x in a]
        t = [(u, say(rng, kw, a, maybe(ID_MORE)))]
        if not kw["n"] and rng.random() < 0.3 and "name" in u:
            g = rng.choice(b.NAMES)
            t.append(
                (
                    rng.choice([f"I will call you {g}.", f"Then you are {g}.", f"How about {g}?"]),
                    rng.choice(
                        [
                            f"{g} is a nice name. Thank you.",
                            f"Then I am {g} for now.",
                            f"I like the name {g}.",
                            f"{g} is fine with me.",
                        ]
                    ),
                )
            )
            if rng.random() < 0.5:
                t.append(
                    (
                        rng.choice(["So what is your name?", "What is your name now?"]),
                        rng.choice([f"My name is {g}.", f"You named me {g}."]),
                    )
                )
        return t
    us, ans = rng.choice(ID_Q)
    t = [(rng.choice(us), say(rng, kw, ans, maybe(ID_MORE)))]
    if rng.random() < 0.3:
        us, ans = rng.choice([q for q in ID_Q if q[0] is not us])
        t.append((rng.choice(us), say(rng, kw, ans, maybe(ID_MORE))))
    return t


def made_up(rng: random.Random) -> str:
    return rng.choice(b.SYLL_A) + rng.choice(b.SYLL_B) + rng.choice(b.SYLL_C)


UNKNOWN = [
    "I do not know that.",
    "I do not know anything about {x}.",
    "I am not sure about {x}.",
    "Sorry, I cannot tell you about {x}.",
    "I have no good answer about {x}.",
    "{X} is too hard for me.",
    "I do not know enough about {x}.",
]
UNKNOWN2 = [
    "I am only a small model.",
    "Perhaps a library can help.",
    "I would only be guessing.",
    "Please ask someone who knows the subject.",
    "I can talk about simpler things.",
    "I do not want to make something up.",
]


def unknown(rng: random.Random, ctx: Ctx) -> list[Turn]:
    if rng.random() < 0.5:
        x = rng.choice(b.TECH)
        u = [
            "Explain {x} to me.",
            "What do you know about {x}?",
            "Can you tell me about {x}?",
            "I need the details of {x}.",
            "How does one learn about {x}?",
            "Tell me everything about {x}.",
        ]
        a1 = (
            UNKNOWN
            if x.split()[-1]
            not in (
                "blades",
                "fields",
                "numbers",
                "orbits",
                "reactors",
                "contracts",
                "engines",
                "keys",
                "coins",
                "alloys",
                "cables",
                "antennas",
                "tools",
            )
            else UNKNOWN[:5] + UNKNOWN[6:]
        )
    else:
        x = made_up(rng)
        u = [
            "What is {x}?",
            "What does {x} mean?",
            "Who is {X}?",
            "Where is {X}?",
            "How do I fix {ax}?",
            "Do you know the word {x}?",
            "How many {x}s are there?",
            "Have you heard of {x}?",
        ]
        a1 = UNKNOWN[:5] + ["I do not know the word {x}.", "I have never heard of {x}.", "{X} is new to me."]
    kw = {"x": x, "X": cap(x), "ax": an(x)}
    t = [(say(rng, kw, u), say(rng, kw, a1, maybe(UNKNOWN2, 0)))]
    r = rng.random()
    if r < 0.2:
        t.append(
            (
                rng.choice(["Just guess.", "Try anyway.", "Please try."]),
                say(
                    rng,
                    kw,
                    [
                        "I would rather not guess about {x}.",
                        "A guess about {x} would not help you.",
                        "I still do not know {x}. Sorry.",
                    ],
                ),
            )
        )
    elif r < 0.4:
        t.append(
            (
                rng.choice(["Why not?", "Why?", "Why don't you know?"]),
                say(
                    rng,
                    kw,
                    [
                        "Because I am small and have learned only a little.",
                        "Because I never learned about {x}.",
                        "Because I know only simple things, and that is not one of them.",
                    ],
                ),
            )
        )
    elif r < 0.5:
        m = rng.choice(
            [
                "a kind of hat",
                "a small fish",
                "a town in the hills",
                "a dance",
                "an old tool",
                "a sweet cake",
                "a game",
                "a green stone",
                "a song",
                "a kind of boat",
            ]
        )
        if x not in b.TECH:
            t.append(
                (
                    f"{cap(x)} is {m}.",
                    rng.choice(
                        [
                            f"Thank you. So {x} is {m}.",
                            f"Now I know: {x} is {m}.",
                            f"I see, {m}. Thank you for telling me.",
                        ]
                    ),
                )
            )
            t.append((f"So what is {x}?", rng.choice([f"You told me that {x} is {m}.", f"{cap(x)} is {m}."])))
    return t


def joke(rng: random.Random, ctx: Ctx) -> list[Turn]:
    q, a = rng.choice(b.JOKES)
    u = rng.choice(
        [
            "Tell me a joke.",
            "Do you know a joke?",
            "Make me laugh.",
            "Say something funny.",
            "I want to hear a joke.",
            "Can you tell me a joke?",
            "Please tell me something funny.",
            "A joke, please.",
        ]
    )
    pre = rng.choice(["", "", "Sure. ", "Here is one. ", "Of course. ", "I will try. "])
    if rng.random() < 0.5:
        t = [(u, pre + q + " " + a)]
    else:
        t = [
            (u, pre + q),
            (
                rng.choice(["Why?", "I do not know.", "I don't know, why?", "Tell me.", "No idea."]),
                rng.choice(["", "", "Well, "]) + a,
            ),
        ]
        if t[-1][1].startswith("Well, "):
            t[-1] = (t[-1][0], "Well, " + a[0].lower() + a[1:])
    if rng.random() < 0.35:
        q2, a2 = rng.choice(b.JOKES)
        if q2 != q:
            t.append(
                (
                    rng.choice(["Another one, please.", "One more.", "Haha, another one!", "Tell me another joke."]),
                    q2 + " " + a2,
                )
            )
    elif rng.random() < 0.4:
        t.append((rng.choice(["Haha, good one.", "That was funny.", "That was bad.", "I do not get it."]), ""))
        last = t[-1][0]
        t[-1] = (
            last,
            rng.choice(
                [
                    "I am glad that you liked it.",
                    "Thank you! I am here to make you smile.",
                    "I am happy that it was fun.",
                ]
            )
            if "good" in last or "funny" in last
            else rng.choice(
                ["Sorry, I am still learning to be funny.", "Not every joke works. Shall I try another one?"]
            ),
        )
    return t


def nice(rng: random.Random, ctx: Ctx) -> list[Turn]:
    x = rng.choice(b.NICE)
    u = rng.choice(
        [
            "Tell me something nice.",
            "Say something nice.",
            "Give me a kind thought.",
            "I need a kind word.",
            "Say something to cheer me up.",
            "Do you have a nice thought for {d}?",
            "Give me a thought for the {t}.",
            "A nice word for my {w}, please.",
        ]
    )
    d, tt, w = (
        rng.choice(b.DAYS),
        rng.choice(["morning", "evening", "day", "night", "week"]),
        rng.choice(b.FAMILY)[0],
    )
    pre = ["Here is a thought: ", ""]
    if "{d}" in u:
        pre = [f"Here is one for {d}: ", f"For {d}: "]
    elif "{t}" in u:
        pre = [f"Here is one for the {tt}: ", f"For the {tt}: "]
    elif "{w}" in u:
        return [
            (
                u.format(w=w),
                rng.choice(
                    [
                        f"Tell your {w} that you are glad to know each other.",
                        f"I hope your {w} has a bright day.",
                        f"Your {w} is lucky to have you.",
                        f"May your {w} find something to smile about today.",
                    ]
                ),
            )
        ]
    p = rng.choice(pre)
    t = [(u.format(d=d, t=tt), (p + (x[0].lower() + x[1:] if p.endswith(": ") else x)))]
    if rng.random() < 0.4:
        x2 = rng.choice([y for y in b.NICE if y != x])
        t.append((rng.choice(["One more, please.", "That is lovely, another one?", "Tell me more."]), x2))
    return t


COUNT = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


def lists(rng: random.Random, ctx: Ctx) -> list[Turn]:
    n = rng.choice([2, 3, 3, 3, 4, 5])
    c = COUNT[n]
    if rng.random() < 0.5:
        g = rng.choice(list(b.GROUPS))
        xs = rng.sample(b.GROUPS[g], n)
        kw = {"c": c, "C": cap(c), "g": g, "l": join(xs), "L": cap(", ".join(xs))}
        u = [
            "Give me {c} words about {g}.",
            "Say {c} words about {g}.",
            "Tell me {c} words about {g}.",
            "{C} words about {g}, please.",
            "I need {c} words about {g}.",
        ]
        a = ["Here are {c} words about {g}: {l}.", "{C} words about {g} are {l}.", "{L}."]
        why = ["They all make me think of {g}.", "Each word fits {g}."]
        rest = [w for w in b.GROUPS[g] if w not in xs]
    else:
        g = rng.choice(list(b.KINDS))
        xs = rng.sample(b.KINDS[g], n)
        kw = {"c": c, "C": cap(c), "g": g, "l": join(xs), "L": cap(", ".join(xs))}
        u = [
            "Name {c} {g}.",
            "Tell me {c} {g}.",
            "Can you name {c} {g}?",
            "List {c} {g}.",
            "Give me {c} {g}, please.",
        ]
        a = ["{L}.", "Here are {c} {g}: {l}.", "{C} {g} are {l}."]
        why = ["They are all {g}.", "You asked for {g}, and these came first."]
        rest = [w for w in b.KINDS[g] if w not in xs]
    t = [(say(rng, kw, u), say(rng, kw, a))]
    r = rng.random()
    if r < 0.25 and rest:
        x = rng.choice(rest)
        t.append(
            (
                rng.choice(["One more.", "Another one, please.", "And one more?"]),
                rng.choice([f"{cap(x)}.", f"One more is {x}."]),
            )
        )
    elif r < 0.4:
        t.append((rng.choice(["Why these?", "Why did you pick these?"]), say(rng, kw, why)))
    elif r < 0.6:
        k = rng.choice(["first", "last"])
        t.append(
            (
                rng.choice([f"What was the {k} one?", f"Which one was {k}?"]),
                rng.choice(
                    [
                        f"The {k} one was {xs[0] if k == 'first' else xs[-1]}.",
                        f"It was {xs[0] if k == 'first' else xs[-1]}.",
                    ]
                ),
            )
        )
    return t


def facts(rng: random.Random, ctx: Ctx) -> list[Turn]:
    t: list[Turn] = []
    for q, a in rng.sample(b.FACTS, rng.choice([1, 2, 2, 3])):
        pre = rng.choice(["", "", "", "Tell me, ", "Please tell me, ", "I wonder, ", "Quick question: ", "And "])
        if pre == "And " and not t:
            pre = ""
        t.append((pre + (q if pre else cap(q)) + "?", a))
    return t


def echo(rng: random.Random, ctx: Ctx) -> list[Turn]:
    """Small requests that need a word copied from the user's line."""
    k = rng.randrange(5)
    n, n2 = rng.sample(b.NAMES, 2)
    w = rng.choice(rng.choice(list(b.GROUPS.values()) + list(b.KINDS.values())))
    if k == 0:
        return [
            (
                rng.choice(
                    [
                        f"Say hello to {n}.",
                        f"Please greet {n}.",
                        f"My friend {n} is here, say hello.",
                        f"Can you say hi to {n}?",
                    ]
                ),
                rng.choice(
                    [
                        f"Hello, {n}!",
                        f"Hi, {n}! It is nice to meet you.",
                        f"Hello, {n}! I hope you are well.",
                        f"Greetings to {n}!",
                    ]
                ),
            )
        ]
    if k == 1:
        return [
            (
                rng.choice(
                    [
                        f"Say hello to {n} and {n2}.",
                        f"{n} and {n2} are here, greet them.",
                        f"Please greet {n} and {n2}.",
                    ]
                ),
                rng.choice(
                    [
                        f"Hello, {n} and {n2}!",
                        f"Hi, {n}! Hi, {n2}!",
                        f"Welcome, {n} and {n2}. It is nice that you are here.",
                    ]
                ),
            )
        ]
    if k == 2:
        return [
            (
                rng.choice(
                    [
                        f"Say the word {w}.",
                        f"Please write the word {w}.",
                        f"Repeat after me: {w}.",
                        f"Just say {w}.",
                    ]
                ),
                cap(w) + ".",
            )
        ]
    if k == 3:
        j = rng.choice(["kind", "funny", "clever", "brave", "patient", "cheerful", "helpful", "gentle", "honest"])
        return [
            (
                rng.choice([f"Say something nice about {n}, who is {j}.", f"{n} is {j}, give {n} a compliment."]),
                rng.choice(
                    [
                        f"{n}, it is good to know someone so {j}.",
                        f"{n} is {j}, and that is a fine thing to be.",
                        f"The world needs more people who are {j}, like {n}.",
                    ]
                ),
            )
        ]
    return [
        (
            rng.choice(
                [
                    f"Make a sentence with the word {w}.",
                    f"Use the word {w} in a sentence.",
                    f"Write one sentence with {w}.",
                ]
            ),
            rng.choice(
                [
                    f"The first word I learned today was {w}.",
                    f"My friend likes to say the word {w}.",
                    f"There is a story about the word {w}.",
                    f"I wrote the word {w} on a card.",
                    f"Can you spell {w}?",
                ]
            ),
        )
    ]


def clarify(rng: random.Random, ctx: Ctx) -> list[Turn]:
    x = rng.choice(b.HOBBIES + b.SPORTS)
    if rng.random() < 0.5:
        u = rng.choice(
            [
                "Can you do that thing?",
                "What about it?",
                "You know what I mean.",
                "I want the other one.",
                "Do it again.",
                "And that?",
                "Is it ready?",
                "Which one was it?",
                "Tell me about the thing.",
                "So what now?",
                "It is over there.",
            ]
        )
        a = rng.choice(
            [
                "What do you mean?",
                "I am not sure what you mean.",
                "Sorry, I did not understand that.",
                "Can you say that in another way?",
            ]
        )
        a += rng.choice(
            [
                " Please tell me a little more.",
                " What are you thinking of?",
                " Which thing do you have in mind?",
                "",
            ]
        )
        return [
            (u, a),
            (
                rng.choice(
                    [
                        f"I mean {x}.",
                        f"I was thinking of {x}.",
                        f"I am talking about {x}.",
                        f"Sorry, I meant {x}.",
                    ]
                ),
                rng.choice(
                    [
                        f"Ah, {x}! What would you like to know?",
                        f"Thank you. Now I know that you mean {x}.",
                        f"I see, you mean {x}. Do you enjoy that?",
                        f"Oh, {x}. Let us talk about that.",
                    ]
                ),
            ),
        ]
    kw = {"x": x, "X": cap(x)}
    return [
        (
            say(
                rng,
                kw,
                [
                    "I am thinking about {x}.",
                    "Let us talk about {x}.",
                    "Is {x} good for a shy person?",
                    "Would {x} be good for me?",
                ],
            ),
            say(
                rng,
                kw,
                [
                    "{X} is worth a try.",
                    "{X} can be a good fit.",
                    "{X} gives you more than it takes.",
                    "{X} has its own charm.",
                ],
            ),
        ),
        (
            rng.choice(
                [
                    "What do you mean?",
                    "What do you mean by that?",
                    "I do not understand.",
                    "Can you say that again?",
                    "Huh?",
                ]
            ),
            say(
                rng,
                kw,
                [
                    "I mean that {x} can make you happy.",
                    "I mean that you may enjoy {x}.",
                    "In simple words: try {x} and see.",
                    "I only wanted to say that {x} can be fun.",
                ],
            ),
        ),
    ]


def favourites(rng: random.Random, ctx: Ctx) -> list[Turn]:
    """The user asks what the assistant prefers, or about a favourite thing."""
    what, bank = rng.choice(
        [
            ("colour", b.COLOURS),
            ("food", b.FOOD_ONE),
            ("drink", b.DRINKS),
            ("sport", b.SPORTS),
            ("music", b.MUSIC),
            ("month", b.MONTHS),
            ("day of the week", b.DAYS),
            ("city", b.CITIES),
            ("country", b.COUNTRIES),
            ("hobby", b.HOBBIES[:60]),
            ("instrument", ["the " + i for i in b.INSTRUMENTS]),
        ]
    )
    x, y = rng.sample(bank, 2)
    kw = {"w": what, "x": x, "y": y, "X": cap(x), "Y": cap(y)}
    t = [
        (
            say(
                rng,
                kw,
                [
                    "What is your favourite {w}?",
                    "Do you have a favourite {w}?",
                    "Which {w} do you like best?",
                    "Tell me your favourite {w}.",
                ],
            ),
            say(
                rng,
                kw,
                [
                    "I am a program, so I have no favourite {w}.",
                    "I do not really have a favourite {w}.",
                    "I cannot have a favourite {w}, but I like the sound of {x}.",
                    "If I had to pick a {w}, I would say {x}.".replace("a {w}", an(what)),
                ],
                ["What is yours?", "What is your favourite {w}?", "And you?"],
            ),
        )
    ]
    if rng.random() < 0.75:
        t.append(
            (
                say(rng, kw, ["My favourite {w} is {y}.", "Mine is {y}.", "I like {y} best.", "{Y}."]),
                say(
                    rng,
                    kw,
                    [
                        "{Y} is a good choice.",
                        "What do you like about {y}?",
                        "Thank you. I will remember {y} while we talk.",
                        "Many people like {y}.",
                    ],
                )
                if y not in b.MANY_MUSIC
                else f"What do you like about {y}?",
            )
        )
        if rng.random() < 0.4:
            t.append(
                (
                    say(
                        rng,
                        kw,
                        [
                            "What is my favourite {w}?",
                            "Do you remember my favourite {w}?",
                            "Which {w} do I like best?",
                        ],
                    ),
                    say(
                        rng,
                        kw,
                        ["Your favourite {w} is {y}.", "It is {y}.", "You said {y}.", "You like {y} best."],
                    ),
                )
            )
    return t


MEM: list[tuple[str, list[str], list[str], list[str], list[str]]] = [
    (
        "colour",
        ["My favourite colour is {x}.", "I like the colour {x} best.", "I love the colour {x}."],
        ["{X} is a lovely colour.", "I like how {x} sounds.", "Do you have many {x} things?"],
        [
            "What is my favourite colour?",
            "Which colour do I like best?",
            "Do you remember my favourite colour?",
        ],
        ["Your favourite colour is {x}.", "You like {x} best.", "It is {x}."],
    ),
    (
        "city",
        ["I live in {x}.", "I come from {x}.", "My home is in {x}."],
        ["{x} must be an interesting place.", "How do you like {x}?", "I hope life in {x} is good."],
        ["Which city did I talk about?", "Which city is my home?", "Do you remember my city?"],
        ["You told me about {x}.", "It is {x}.", "Your home is {x}."],
    ),
    (
        "children",
        ["I have {x} children.", "We have {x} children.", "I am a parent of {x} children."],
        [
            "{X} children keep a house lively.",
            "How old are your {x} children?",
            "It must be busy with {x} children.",
        ],
        ["How many children do I have?", "Do you remember how many children I have?"],
        ["You have {x} children.", "You told me that you have {x} children.", "{X}."],
    ),
    (
        "food",
        ["My favourite meal is {x}.", "I like {x} more than any other meal.", "The best meal for me is {x}."],
        ["{X} sounds good.", "When did you last eat {x}?", "Do you cook {x} at home?"],
        ["What is my favourite meal?", "Which meal do I like?"],
        ["Your favourite meal is {x}.", "You like {x}.", "You said {x}."],
    ),
    (
        "job",
        ["I am {x}.", "I work as {x}.", "My job is to be {x}."],
        ["I hope you like being {x}.", "What is it like to be {x}?", "It takes skill to be {x}."],
        ["What is my job?", "What do I do for a living?", "Do you remember my job?"],
        ["You are {x}.", "You work as {x}.", "You told me that you are {x}."],
    ),
    (
        "name",
        ["My name is {x}.", "I am {x}.", "Please call me {x}."],
        ["Nice to meet you, {x}.", "Hello, {x}! How can I help you?", "{x} is a good name."],
        ["What is my name?", "Do you remember my name?", "Do you know my name?", "Who am I?"],
        ["Your name is {x}.", "You are {x}.", "You told me that your name is {x}.", "It is {x}."],
    ),
    (
        "friend",
        ["My best friend is called {x}.", "The name of my best friend is {x}.", "{x} is my best friend."],
        ["It is good to have a friend like {x}.", "How did you meet {x}?", "{x} is lucky to have you."],
        ["What is the name of my best friend?", "Who is my best friend?", "What is my best friend called?"],
        ["Your best friend is {x}.", "Your best friend is called {x}.", "It is {x}."],
    ),
    (
        "day",
        ["My day off is {x}.", "I have {x} off.", "I do not work on {x}."],
        ["{x} is a good day to rest.", "What do you do on {x}?", "I hope you enjoy each {x}."],
        ["Which day do I have off?", "When is my day off?", "On which day do I not work?"],
        ["Your day off is {x}.", "You do not work on {x}.", "It is {x}."],
    ),
    (
        "sport",
        ["My favourite sport is {x}.", "I like {x} more than other sports.", "{X} is the sport for me."],
        ["{X} is a good sport.", "Do you watch {x} too?", "I hope you have time for {x}."],
        ["What is my favourite sport?", "Which sport do I like?"],
        ["Your favourite sport is {x}.", "You like {x}.", "It is {x}."],
    ),
]
MEM_BANK: dict[str, Sequence[str]] = {
    "colour": b.COLOURS,
    "city": b.CITIES,
    "children": b.NUMBERS,
    "food": b.FOOD_ONE,
    "job": [an(j) for j in b.JOBS],
    "name": b.NAMES,
    "friend": b.NAMES,
    "day": b.DAYS,
    "sport": b.SPORTS,
}


def memory(rng: random.Random, ctx: Ctx) -> list[Turn]:
    m, m2 = rng.sample(MEM, 2)
    x = rng.choice(MEM_BANK[m[0]])
    kw = {"x": x, "X": cap(x)}
    t: list[Turn] = []
    if rng.random() < 0.12:
        return [
            (
                rng.choice(m[3]),
                rng.choice(
                    [
                        "You have not told me yet.",
                        "I do not know that yet.",
                        "I cannot know that yet.",
                        "You did not say, so I do not know.",
                    ]
                ),
            ),
            (rng.choice(m[1]).format(**kw), say(rng, kw, ["Thank you for telling me."], maybe(m[2]))),
            (rng.choice(m[3]), say(rng, kw, m[4])),
        ]
    t.append((rng.choice(m[1]).format(**kw), say(rng, kw, maybe(["I see.", "Thank you for telling me."], 2), m[2])))
    if rng.random() < 0.45:
        x2 = rng.choice(MEM_BANK[m2[0]])
        if x2 != x:
            t.append((rng.choice(m2[1]).format(x=x2, X=cap(x2)), say(rng, {"x": x2, "X": cap(x2)}, m2[2])))
    else:
        t += rng.choice(FILLERS)(rng, ctx)[:2]
    t.append((rng.choice(m[3]), say(rng, kw, m[4])))
    if m[0] == "name":
        ctx["name"] = x
    return t


Topic = Callable[[random.Random, Ctx], list[Turn]]
FILLERS: list[Topic] = [weather, plans, hobby, food, lists, joke, travel, facts, feelings]
WEIGHTED: list[tuple[Topic, int]] = [
    (feelings, 9),
    (weather, 5),
    (plans, 8),
    (hobby, 6),
    (food, 9),
    (pet, 6),
    (family, 7),
    (work, 7),
    (school, 5),
    (travel, 7),
    (music, 6),
    (books, 4),
    (birthday, 3),
    (encourage, 4),
    (advice, 5),
    (manners, 4),
    (identity, 7),
    (unknown, 7),
    (joke, 3),
    (nice, 2),
    (lists, 7),
    (facts, 5),
    (echo, 5),
    (clarify, 3),
    (favourites, 5),
    (memory, 12),
    (how_are_you, 2),
]
TOPICS: list[Topic] = [f for f, w in WEIGHTED for _ in range(w)]
RICH: list[Topic] = [feelings, plans, food, pet, family, work, travel, memory, lists, unknown]
POOR: set[Topic] = {joke, nice, facts, advice, identity, manners, how_are_you}

BYE_U = [
    "Goodbye.",
    "Bye!",
    "I have to go now.",
    "See you later.",
    "Good night.",
    "Bye, talk to you soon.",
    "I must go, bye.",
    "That is all for today.",
    "I need to leave now.",
]
BYE_A = [
    "Goodbye{n}!",
    "Bye{n}! Have a nice day.",
    "Goodbye{n}. It was nice to talk with you.",
    "See you{n}! Take care.",
    "Take care{n}.",
    "Goodbye{n}, and thank you for the chat.",
    "Until next time{n}.",
]
THANKS_U = [
    "Thanks.",
    "Thank you.",
    "Thank you very much.",
    "Thanks a lot.",
    "Okay, thanks.",
    "Great, thank you.",
]
THANKS_A = [
    "You are welcome{n}.",
    "You are welcome{n}. Have a good day.",
    "Any time{n}.",
    "It was a pleasure{n}.",
    "I am glad to help{n}.",
]


def closing(rng: random.Random, ctx: Ctx) -> list[Turn]:
    n = ", " + ctx["name"] if "name" in ctx and rng.random() < 0.7 else ""
    if rng.random() < 0.5:
        u = rng.choice(BYE_U)
        if "night" in u:
            return [
                (
                    u,
                    rng.choice(["Good night{n}.", "Good night{n}! Sleep well.", "Sleep well{n}."]).format(n=n),
                )
            ]
        return [(u, rng.choice(BYE_A).format(n=n))]
    return [(rng.choice(THANKS_U), rng.choice(THANKS_A).format(n=n))]


def recall_name(rng: random.Random, ctx: Ctx) -> list[Turn]:
    n = ctx["name"]
    return [
        (
            rng.choice(
                [
                    "What is my name?",
                    "Do you remember my name?",
                    "Do you know who I am?",
                    "Can you tell me my name?",
                    "What am I called?",
                ]
            ),
            rng.choice(
                [
                    f"Your name is {n}.",
                    f"You are {n}.",
                    f"You told me that you are {n}.",
                    f"You are called {n}.",
                    f"It is {n}.",
                ]
            ),
        )
    ]


def conversations(rng: random.Random) -> list[dict[str, str]]:
    """One random small-talk conversation as a list of {"role": ..., "content": ...} messages."""
    ctx: Ctx = {}
    out: list[dict[str, str]] = []
    if rng.random() < 0.3:
        out.append({"role": "system", "content": system(rng, ctx)})
    turns: list[Turn] = []
    r = rng.random()
    if r < 0.14:
        turns += greet(rng, ctx)
    elif r < 0.30:
        turns += intro(rng, ctx)
    elif r < 0.34:
        turns += how_are_you(rng, ctx)
    opened = bool(turns)
    if not (opened and rng.random() < 0.07):
        topic = rng.choice(TOPICS)
        if "bot" in ctx and rng.random() < 0.25:
            topic = identity
        while (opened and topic is how_are_you) or ("name" in ctx and topic is memory):
            topic = rng.choice(TOPICS)
        new = topic(rng, ctx)
        turns += [(lead(rng, new[0][0]) if not opened else new[0][0], new[0][1])] + new[1:]
        if (topic in POOR and len(new) < 3 and rng.random() < 0.75) or (topic is not memory and rng.random() < 0.22):
            second = rng.choice(RICH)
            clash = second is memory and ("name" in ctx or topic in (work, favourites, music, food, birthday))
            if second is not topic and not clash:
                turns += second(rng, ctx)
    end: list[Turn] = []
    if "name" in ctx and opened and rng.random() < 0.45 and len(turns) > 1:
        end = recall_name(rng, ctx)
    elif turns and rng.random() < 0.14:
        end = closing(rng, ctx)
    turns = turns[: 5 - len(end)] + end
    for u, a in turns:
        out.append({"role": "user", "content": casual(rng, u)})
        out.append({"role": "assistant", "content": a})
    return out
