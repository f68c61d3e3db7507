"""Word banks for the small-talk generator: names, foods, jobs, places, reasons, plans, facts and jokes."""

from __future__ import annotations


def words(text: str) -> list[str]:
    """Split a comma-separated bank into a list of stripped phrases."""
    return [w for w in (" ".join(p.split()) for p in text.split(",")) if w]


def lines(text: str) -> list[str]:
    """Split a bank with one entry per line."""
    return [p.strip() for p in text.strip().splitlines() if p.strip()]


def pairs(text: str) -> list[tuple[str, str]]:
    """Entries with {I} {my} {me} {am} {was} {myself} slots -> (first person, second person)."""
    one = {"I": "I", "my": "my", "me": "me", "am": "am", "was": "was", "myself": "myself"}
    two = {"I": "you", "my": "your", "me": "you", "am": "are", "was": "were", "myself": "yourself"}
    return [(p.format(**one), p.format(**two)) for p in words(text)]


def table(text: str) -> list[tuple[str, ...]]:
    """Lines of fields separated by '|'."""
    return [tuple(f.strip() for f in p.split("|")) for p in lines(text)]


NAMES = """
Anna Ben Clara David Emma Felix Grace Henry Ida Jack Karen Leo Maria Noah Olivia Peter Rosa Sam Tina Victor
Wendy Adam Alice Amir Amy Andrea Andrew Angela Anita Anton Aria Arthur Astrid Aisha Barbara Beatrice Bella
Bernard Beth Bianca Bill Bjorn Bob Boris Brian Bruno Camila Carl Carla Carlos Carmen Caroline Cecilia Charles
Chloe Chris Cora Daisy Dan Daniel Daria Dean Deborah Dennis Diana Diego Dina Dmitri Dora Doris Dylan Edith
Edgar Edward Eileen Elena Eli Elias Elisa Ella Ellen Elliot Elsa Eric Erika Ernest Esther Ethan Eva Evan Eve
Faith Fatima Fiona Flora Frances Frank Fred Freya Gabriel Gail Gemma George Gina Gloria Greg Greta Gus Hana
Hanna Harold Harry Hassan Hazel Heidi Helen Helga Hiro Holly Hugo Ian Ibrahim Igor Ines Ingrid Irene Iris
Isaac Isabel Ivan Ivy Jacob Jade James Jan Jane Janet Jasmine Jean Jenny Jim Joan Joanna Joe John Jonas Jorge
Josh Joy Juan Judy Julia Julian June Kai Kate Keiko Keith Ken Kim Kira Kurt Lara Larry Laura Lea Leila Lena
Leon Lewis Liam Lily Linda Lisa Logan Lola Lou Louis Louise Lucas Lucia Lucy Luis Luke Luna Lydia Mabel Maggie
Malik Marco Margaret Mark Marta Martha Martin Mary Mason Matt Maud Max Maya Megan Mei Mia Michael Mila Miles
Milo Mina Mira Miriam Molly Mona Monica Nadia Nancy Naomi Natalie Nathan Ned Nell Nick Nico Nina Noor Nora
Norman Olga Oliver Omar Oscar Otto Pablo Pamela Pat Paul Paula Pavel Pedro Penny Philip Phoebe Piet Polly
Priya Rachel Rafael Ralph Ravi Ray Rebecca Rita Robert Robin Roger Roland Roman Ron Rory Rose Ruby Russell
Ruth Ryan Sally Samir Sandra Sara Scott Sean Selma Seth Sheila Simon Sofia Sonia Stan Stella Stephen Steve
Sue Susan Sven Sylvia Tara Ted Teresa Theo Thomas Tim Toby Tom Tony Tracy Uma Ursula Vera Vincent Viola Walter
Will Willa Yara Yasmin Yuki Yusuf Zara Zoe
""".split()

PET_NAMES = """
Biscuit Pepper Ginger Shadow Coco Patch Sunny Button Smoky Pickle Mango Olive Rusty Bean Toffee Waffle Honey
Domino Pebble Misty Fudge Clover Nutmeg Bramble Ziggy Peanut Marble Socks Snowy Tiger Muffin Hazel Jasper
Dusty Maple Cookie Bubbles Storm Twig Willow Poppy Basil Truffle Sparky Cinnamon Noodle Duke Fern Rocket
""".split()

ANIMALS = words("""
dog, cat, rabbit, hamster, parrot, goldfish, turtle, tortoise, guinea pig, mouse, rat, ferret, canary, budgie,
lizard, gecko, snake, frog, pony, horse, donkey, goat, sheep, pig, hen, duck, goose, pigeon, gerbil, iguana,
snail, puppy, kitten, small dog, young cat, little rabbit, black cat, white mouse, grey cat, brown dog,
alpaca,
owl, llama, hedgehog, chicken, cockatoo""")

FOOD_ONE = words("""
soup, pasta, rice, bread, pizza, curry, lasagna, chocolate, cheese, yogurt, porridge, salad, fried rice,
tomato soup, lentil soup, chicken soup, onion soup, fish stew, vegetable stew, roast chicken, apple pie,
carrot cake, lemon cake, chocolate cake, banana bread, garlic bread, rye bread, toast, honey, jam,
peanut butter,
ice cream, rice pudding, cherry pie, mushroom risotto, potato salad, fruit salad, goat cheese, grilled fish,
smoked salmon, baked cod, popcorn, spinach, broccoli, cabbage, corn, pumpkin soup, beef stew, tofu, hummus,
spaghetti, macaroni and cheese, omelette with herbs, apple crumble, gingerbread, plum jam, melon, pineapple,
watermelon, couscous, coleslaw, meatloaf, shepherd's pie, paella, sushi, ramen, goulash""")
FOOD_MANY = words("""
pancakes, waffles, dumplings, noodles, tacos, burritos, sandwiches, burgers, meatballs, sausages, fish cakes,
baked potatoes, mashed potatoes, french fries, roasted carrots, green beans, baked beans, fried eggs,
boiled eggs,
scrambled eggs, mushrooms, tomatoes, olives, pickles, peas, apples, pears, oranges, bananas, grapes, cherries,
strawberries, blueberries, raspberries, peaches, plums, figs, dates, walnuts, almonds, cookies, brownies,
muffins,
scones, cinnamon rolls, doughnuts, oat biscuits, crackers, spring rolls, stuffed peppers, onion rings,
chicken wings, fish fingers, samosas, crepes, cupcakes, pretzels, lemon tarts, cheese rolls, corn chips""")
DRINKS = words("""
tea, green tea, mint tea, black coffee, coffee with milk, hot chocolate, cold milk, orange juice, apple juice,
tomato juice, lemonade, ginger tea, iced tea, iced coffee, sparkling water, plain water, coconut water,
cherry juice, grape juice, carrot juice, warm milk, herbal tea, ginger ale, root beer, fruit punch,
cold cocoa,
a banana smoothie, a strawberry milkshake, a mango smoothie, hot apple cider""")

HOBBIES = words("""
painting, drawing, reading, cooking, baking, baking bread, gardening, knitting, sewing, singing, dancing,
running,
swimming, cycling, hiking, fishing, sailing, camping, climbing, skating, skiing, rowing, surfing, juggling,
writing,
writing letters, writing poems, playing chess, playing cards, playing the piano, playing the guitar,
playing the drums, playing the violin, playing the flute, watching birds, watching old films,
collecting stamps,
collecting coins, collecting shells, taking photos, making pottery, making candles, making model ships,
making jewellery, carving wood, repairing bikes, repairing clocks, growing tomatoes, growing roses,
keeping bees,
learning languages, doing puzzles, doing crosswords, doing yoga, folding paper, looking at stars,
flying kites,
walking in the woods, visiting museums, board games, origami, archery, calligraphy, weaving, stargazing,
brewing tea, restoring furniture""")

FAMILY = table("""
mother|she|her|her
mum|she|her|her
father|he|him|his
dad|he|him|his
sister|she|her|her
older sister|she|her|her
little sister|she|her|her
brother|he|him|his
older brother|he|him|his
little brother|he|him|his
grandmother|she|her|her
grandfather|he|him|his
aunt|she|her|her
uncle|he|him|his
wife|she|her|her
husband|he|him|his
daughter|she|her|her
son|he|him|his
niece|she|her|her
nephew|he|him|his
cousin|they|them|their
neighbour|they|them|their
friend|they|them|their
best friend|they|them|their
""")

JOBS = words("""
teacher, nurse, baker, driver, cook, farmer, painter, writer, singer, actor, artist, engineer, electrician,
plumber,
carpenter, gardener, librarian, waiter, cleaner, tailor, butcher, barber, hairdresser, photographer,
musician, dancer,
doctor, dentist, vet, pharmacist, lawyer, judge, clerk, accountant, cashier, shop assistant, shopkeeper,
manager,
secretary, receptionist, translator, journalist, editor, designer, architect, builder, bricklayer, roofer,
welder,
mechanic, pilot, bus driver, taxi driver, train driver, truck driver, sailor, fisherman, firefighter,
police officer,
security guard, postal worker, delivery driver, warehouse worker, factory worker, scientist, chemist,
biologist,
programmer, web designer, tour guide, travel agent, hotel clerk, lifeguard, coach, music teacher, art teacher,
office worker, social worker, childminder, florist, jeweller, beekeeper, optician, inspector, usher,
illustrator""")
WORKPLACES = words("""
a school, a hospital, a bakery, an office, a bank, a hotel, a library, a museum, a small shop, a big shop,
a factory,
a farm, a garage, a restaurant, a cafe, a theatre, a post office, a train station, an airport,
a garden centre,
a bookshop, a flower shop, a nursery, a laboratory, a warehouse, a print shop, a gym, a harbour, a town hall,
a call centre, an art gallery, a shoe shop, a workshop, a kitchen, a radio station""")
SUBJECTS = words("""
maths, history, geography, biology, chemistry, physics, art, music, English, French, Spanish, German, Latin,
economics, science, literature, drama, computing, woodwork, sport, geometry, algebra, philosophy, cooking,
grammar""")

PLACES = words("""
the lake, the mountains, the sea, the beach, the forest, the park, the river, the old town, the zoo,
the museum,
the market, the countryside, the harbour, the desert, the island, the valley, the castle, the waterfall,
the village,
the hills, the coast, the botanical garden, the north, the south, the big city, the canal, the lighthouse,
the caves,
the vineyard, the hot springs, the national park, the ski slopes, the fishing village, the rose garden,
the farm""")
PLACES_MY = table("""
my sister's town|your sister's town
my brother's house|your brother's house
my uncle's farm|your uncle's farm
my aunt's village|your aunt's village
my old school|your old school
my home town|your home town
my friend's cabin|your friend's cabin
my parents' house|your parents' house
my cousin's place|your cousin's place
my grandmother's village|your grandmother's village
""")
CITIES = words("""
Paris, London, Rome, Madrid, Berlin, Vienna, Lisbon, Dublin, Oslo, Stockholm, Copenhagen, Helsinki, Athens,
Prague,
Budapest, Warsaw, Brussels, Amsterdam, Zurich, Geneva, Milan, Venice, Naples, Barcelona, Porto, Edinburgh,
Glasgow,
Cairo, Nairobi, Lagos, Accra, Tunis, Cape Town, Tokyo, Osaka, Kyoto, Seoul, Bangkok, Hanoi, Manila, Jakarta,
Delhi,
Mumbai, Toronto, Montreal, Boston, Chicago, Seattle, Denver, Austin, Lima, Quito, Santiago, Bogota, Sydney,
Melbourne, Auckland, Hamburg, Munich, Lyon, Krakow, Riga, Tallinn, Vilnius, Zagreb, Istanbul, Marseille""")
COUNTRIES = words("""
Italy, Spain, France, Portugal, Greece, Norway, Sweden, Finland, Denmark, Iceland, Ireland, Scotland, Austria,
Switzerland, Poland, Hungary, Croatia, Turkey, Egypt, Morocco, Kenya, Ghana, Japan, Korea, Thailand,
Vietnam, India,
Canada, Mexico, Peru, Chile, Brazil, Argentina, Australia, New Zealand, Germany, Belgium, Estonia, Malta,
Cuba""")

MUSIC = words("""
jazz, blues, folk music, rock music, pop music, classical music, piano music, guitar music, choir music,
opera, soul,
country music, dance music, film music, reggae, swing, old songs, love songs, slow songs, marching bands,
brass bands,
string quartets, quiet music, loud music, sea songs, drum music""")
MANY_MUSIC = {
    "old songs",
    "love songs",
    "slow songs",
    "marching bands",
    "brass bands",
    "string quartets",
    "sea songs",
    "blues",
}
INSTRUMENTS = words("""
piano, guitar, violin, flute, drums, cello, trumpet, harp, clarinet, saxophone, accordion, banjo, organ,
recorder,
ukulele, trombone, oboe, harmonica""")
SPORTS = words("""
football, tennis, basketball, volleyball, swimming, running, cycling, rowing, hockey, cricket, rugby, golf,
badminton,
table tennis, skiing, skating, handball, baseball, judo, karate, gymnastics, climbing, sailing, surfing,
fencing,
archery, squash, water polo, boxing, bowling, darts""")
BOOKS = words("""
mystery stories, love stories, ghost stories, short stories, fairy tales, poems, travel books,
history books, comics,
cookbooks, novels, long novels, old novels, adventure stories, science fiction books, books about ships,
books about animals, books about space, books about gardens, funny books, sad books, detective stories,
children's books, picture books, biographies, plays, diaries, books about trains, books about the sea""")
COLOURS = words("""
red, blue, green, yellow, orange, purple, pink, brown, black, white, grey, silver, gold, turquoise, dark blue,
light blue, dark green, light green, pale yellow, cream, violet""")
MONTHS = words("""January, February, March, April, May, June, July, August, September, October, November,
December""")
DAYS = words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
NUMBERS = words("two, three, four, five, six, seven")

REASONS: dict[str, list[tuple[str, str]]] = {
    "good": pairs("""{I} passed {my} exam, {I} got a new job, {my} sister is coming to visit, {I} found {my} lost ring,
        {my} team won the match, {I} finished a long project, {I} {am} going on holiday,
        {my} friend called {me},
        {I} baked a good cake, {my} garden is in bloom, {I} got a kind letter,
        {my} son learned to ride a bike,
        {my} daughter drew {me} a picture, {I} moved into a new flat, {I} made a new friend,
        {my} cat came home,
        {my} boss praised {my} work, it is the weekend, {I} learned to swim, {I} fixed {my} bike,
        {I} ran five miles,
        {my} bread turned out well, {I} won a small prize, {my} brother had good news, {I} have a free day,
        {I} sold {my} first painting, {I} got good marks, {my} plants are growing, {I} slept very well,
        {my} parents are back from their trip, {I} {am} having a party, {I} saw an old friend"""),
    "sad": pairs("""{my} friend moved away, {I} lost {my} keys, {I} failed a test, {my} team lost, {I} broke a nice cup,
        {my} plans fell through, {I} miss {my} family, it rained on {my} day off, {my} plant died,
        {I} had a fight with {my} brother, {my} holiday is over, {I} did not get the job, nobody called {me},
        {my} bike was stolen, {my} best friend is angry with {me}, {I} lost {my} favourite scarf,
        {my} cake was burned, {I} said something unkind, {my} old cat is gone, {I} miss {my} old home,
        {I} had a hard day, {my} train was cancelled, {my} sister forgot {my} birthday,
        {I} had to cancel {my} trip, {my} favourite cafe has closed"""),
    "tired": pairs("""{I} worked all day, {I} slept badly, {I} got up very early, {I} walked a long way,
        the baby cried all night, {I} cleaned the whole house, {I} had a long meeting,
        {I} studied until midnight,
        {I} worked in the garden, {I} drove for six hours, {my} neighbours were loud,
        {I} moved a lot of boxes,
        {I} danced all night, {I} cooked for ten people, {I} read until two in the morning,
        {my} shift was long,
        {I} painted the bedroom, {I} ran after {my} children all day, {my} dog woke {me} at five,
        {I} carried heavy bags home"""),
    "worried": pairs("""{I} have an exam tomorrow, {I} start a new job on Monday, {my} son is late,
        {I} have to give a talk, {my} car makes a strange noise, {I} have a job interview,
        {I} {am} moving to a new town,
        {I} have to fly for the first time, {I} cannot find {my} passport, {my} daughter starts school soon,
        {I} have too much to do, {I} forgot to send a letter, {my} boss wants to talk to {me},
        {I} owe a friend money,
        {I} have a driving test, {my} rent is going up, {I} have to sing in front of people,
        {I} will meet many new people, {I} left {my} bag on the bus, {my} friend has not written back"""),
    "bored": pairs("""it is raining, {I} have nothing to do, {my} friends are away, there is nothing to watch,
        {I} {am} waiting for a train, {I} have read all {my} books, {my} work is slow today,
        the lesson is long,
        {I} {am} home alone, {my} game is broken, it is a long evening, the shops are closed,
        {I} finished {my} work early,
        {I} {am} stuck at home, {I} {am} waiting for {my} sister"""),
    "angry": pairs("""{my} neighbour is loud, the bus was late again, somebody took {my} seat, {my} phone broke,
        {my} brother ate {my} lunch, {I} waited for an hour, {my} friend was rude to {me},
        the shop sent the wrong shoes,
        somebody scratched {my} car, {my} computer keeps stopping, {I} spilled coffee on {my} shirt,
        {my} order never came, nobody listens to {me}, {my} roommate never cleans, the train was full,
        {I} missed {my} bus, {my} umbrella broke"""),
    "lonely": pairs("""{I} live alone, {my} friends are busy, {I} {am} new in town, {my} children moved out,
        {I} eat alone every day, {my} family is far away, everyone is on holiday, {I} do not know anyone here,
        {my} sister moved away, {I} work from home, {I} stayed home all week, {my} roommate left"""),
}
FEELINGS: dict[str, list[str]] = {
    "good": words(
        "happy, glad, cheerful, excited, proud, relieved, grateful, really good, great, so happy, very happy"
    ),
    "sad": words("sad, down, low, upset, unhappy, a bit sad, very sad, gloomy, disappointed"),
    "tired": words("tired, sleepy, worn out, exhausted, very tired, so tired, weary"),
    "worried": words("worried, nervous, stressed, uneasy, a bit worried, tense, very nervous"),
    "bored": words("bored, restless, so bored, a little bored, really bored"),
    "angry": words("angry, annoyed, cross, frustrated, a bit annoyed, really angry, grumpy"),
    "lonely": words("lonely, a bit lonely, alone, very lonely, left out"),
}

PLANS = pairs("""visit {my} aunt, clean the kitchen, bake a cake, go for a walk, read a book, call {my} mother,
    paint the fence, wash the car, meet a friend, go to the market, cook dinner for {my} family,
    plant some flowers,
    watch a film, go swimming, ride {my} bike, tidy {my} room, write a letter, do the laundry,
    play cards with {my} friends,
    go to a concert, visit the museum, fix the shelf, learn a new song, make soup, sleep late,
    go to the beach,
    have a picnic, pick apples, buy new shoes, cut the grass, finish {my} homework, study for a test,
    go to a wedding,
    help {my} brother move, take {my} dog to the park, see {my} grandparents, try a new recipe,
    sort old photos,
    make a birthday card, go to the library, take the train to the coast, play tennis, stay at home and rest,
    have lunch with {my} sister, bake bread with {my} son, build a bird house, sew a dress, walk by the river,
    repair {my} bike, go fishing, make pancakes, invite {my} neighbours for tea, paint {my} bedroom,
    practise the piano,
    clean the windows, water the plants, go dancing, see a play, wrap some presents, pack {my} suitcase""")
WHEN = words("""today, tomorrow, tonight, this weekend, this evening, this afternoon, on Saturday, on Sunday, next week,
    on Friday, tomorrow morning, after work, after lunch, on Monday, later""")

WEATHER = table("""
raining|rain|A day like this is good for a book and a warm drink.
pouring with rain|rain|Do not forget an umbrella if you go out.
snowing|snow|Put on warm boots if you go outside.
very cold|cold|A warm coat and a hot drink will help.
freezing|cold|It is a good day for soup and thick socks.
very hot|heat|Drink some water and stay in the shade.
sunny|sunshine|It is a fine day for a walk.
warm and sunny|sunshine|You could sit outside for a while.
windy|wind|Hold on to your hat.
very windy|wind|It could be a good day to fly a kite.
foggy|fog|Take care on the road.
cloudy|clouds|Perhaps the sun will come out later.
grey and wet|grey sky|A small lamp and some music can make it cosy.
stormy|storm|It is nice to be indoors on such a day.
warm|warm weather|An open window would feel good.
hailing|hail|It is better to wait inside until it stops.
humid|humid air|A cool shower may feel nice.
chilly|chilly air|A thick sweater would be good.
icy|ice|Walk slowly, because the ground may be slippery.
mild|mild weather|That is easy weather for most things.
""")

FACTS = table("""
what colour is snow|Snow is white.
what colour is grass|Grass is green.
what colour is the sky on a clear day|On a clear day the sky is blue.
what colour is a ripe banana|A ripe banana is yellow.
what colour is coal|Coal is black.
how many days are in a week|There are seven days in a week.
how many months are in a year|There are twelve months in a year.
how many hours are in a day|There are twenty-four hours in a day.
how many minutes are in an hour|There are sixty minutes in an hour.
how many legs does a spider have|A spider has eight legs.
how many legs does a dog have|A dog has four legs.
how many wings does a bird have|A bird has two wings.
how many wheels does a bicycle have|A bicycle has two wheels.
what do cows eat|Cows mostly eat grass.
what do bees make|Bees make honey.
what do hens lay|Hens lay eggs.
what is ice made of|Ice is frozen water.
what is bread made from|Bread is made from flour, water, salt and often yeast.
what is cheese made from|Cheese is made from milk.
what is paper made from|Most paper is made from wood.
what comes after Monday|Tuesday comes after Monday.
what comes after Friday|Saturday comes after Friday.
what comes after spring|Summer comes after spring.
what comes after summer|Autumn comes after summer.
what day comes before Sunday|Saturday comes before Sunday.
what is the opposite of hot|The opposite of hot is cold.
what is the opposite of big|The opposite of big is small.
what is the opposite of early|The opposite of early is late.
what is the opposite of wet|The opposite of wet is dry.
what is the opposite of loud|The opposite of loud is quiet.
where do fish live|Fish live in water.
where does the sun rise|The sun rises in the east.
where does the sun set|The sun sets in the west.
what is a baby cat called|A baby cat is called a kitten.
what is a baby dog called|A baby dog is called a puppy.
what is a baby sheep called|A baby sheep is called a lamb.
what is a baby cow called|A baby cow is called a calf.
what do you use to cut paper|You can use scissors to cut paper.
what do you use to tell the time|You can use a clock or a watch to tell the time.
what do you wear on your feet|You wear socks and shoes on your feet.
what do you use when it rains|You can use an umbrella when it rains.
is the sun hot|Yes, the sun is very hot.
is ice cold|Yes, ice is cold.
is a whale a fish|No, a whale is not a fish. It is a mammal.
can birds swim|Some birds can swim, such as ducks.
can fish walk|No, most fish cannot walk. They swim.
is a tomato blue|No, a ripe tomato is usually red.
is the moon made of cheese|No, the moon is made of rock.
""")

GROUPS: dict[str, list[str]] = {
    "the sea": words("wave, salt, sand, shell, tide, boat, fish, foam, gull, harbour"),
    "winter": words("snow, ice, scarf, frost, fireplace, boots, cold, mittens, sledge"),
    "summer": words("sun, beach, picnic, heat, holiday, lemonade, swimming, bees"),
    "autumn": words("leaves, wind, apples, rain, harvest, pumpkin, mist, acorn"),
    "spring": words("flower, bud, rain, nest, lamb, sunshine, grass, tulip"),
    "the forest": words("tree, moss, owl, path, leaf, shade, deer, mushroom, fern"),
    "music": words("song, drum, rhythm, piano, melody, choir, dance, note"),
    "home": words("door, kitchen, sofa, family, warmth, key, garden, lamp, bed"),
    "school": words("book, pencil, teacher, desk, lesson, friend, homework, chalk"),
    "the city": words("street, bus, bridge, light, crowd, shop, tower, square, noise"),
    "the night": words("moon, star, sleep, dark, dream, owl, quiet, lamp"),
    "a garden": words("rose, soil, bee, spade, seed, bench, worm, hedge, watering can"),
    "the kitchen": words("pan, spoon, oven, bread, plate, kettle, salt, table"),
    "travel": words("train, ticket, map, suitcase, road, hotel, station, bridge"),
    "friendship": words("trust, laughter, kindness, help, time, talk, care, patience"),
    "rain": words("cloud, puddle, umbrella, drop, grey, boots, window, rainbow"),
    "work": words("desk, task, meeting, team, effort, break, email, tools"),
    "a farm": words("cow, barn, hay, tractor, field, hen, fence, milk"),
    "birthdays": words("cake, candle, gift, guest, balloon, song, card, wish"),
    "the mountains": words("peak, snow, rock, path, cabin, eagle, valley, view"),
}
KINDS: dict[str, list[str]] = {
    "fruits": words("apple, pear, plum, banana, orange, cherry, grape, peach, melon, fig, mango, lemon"),
    "vegetables": words("carrot, onion, potato, cabbage, leek, pea, bean, spinach, pumpkin, beetroot"),
    "animals": words("dog, cat, horse, cow, sheep, lion, fox, rabbit, bear, mouse, duck, goat"),
    "birds": words("robin, owl, duck, gull, crow, swan, eagle, sparrow, pigeon, hen"),
    "colours": words("red, blue, green, yellow, black, white, orange, brown, pink, purple"),
    "tools": words("hammer, saw, drill, spade, rake, pliers, ladder, screwdriver"),
    "pieces of furniture": words("chair, table, bed, sofa, shelf, desk, stool, cupboard, bench"),
    "kinds of clothing": words("shirt, coat, scarf, sock, hat, dress, sweater, skirt, glove"),
    "flowers": words("rose, tulip, daisy, lily, sunflower, poppy, violet, daffodil"),
    "trees": words("oak, pine, birch, maple, willow, beech, ash, elm, cedar"),
    "drinks": words("water, tea, coffee, milk, juice, cocoa, lemonade"),
    "sports": words("football, tennis, swimming, running, hockey, rowing, cycling, golf"),
    "jobs": words("teacher, baker, nurse, driver, cook, farmer, plumber, painter"),
    "instruments": words("piano, guitar, violin, flute, drum, cello, trumpet, harp"),
    "days of the week": DAYS,
    "months": MONTHS,
    "insects": words("bee, ant, fly, moth, beetle, wasp, cricket, butterfly"),
    "things in a kitchen": words("pan, spoon, oven, plate, kettle, knife, bowl, sink"),
}

JOKES = table("""
Why did the clock go to school?|It wanted to be on time for once.
Why was the teapot so proud?|It always had something warm to say.
Why did the sock go home early?|It missed its other half.
Why did the lamp get a prize?|It was the brightest one in the room.
Why did the bread stay in bed?|It was not ready to rise.
Why did the river never get lost?|It always followed its own course.
Why was the shoe a good listener?|It had a tongue but never used it.
Why did the pencil stop talking?|It could not see the point.
Why was the ladder so calm?|It took things one step at a time.
Why did the cloud look so sad?|It needed a good cry.
Why did the potato win the race?|The others could not catch up with a baked sprinter.
Why did the door feel tired?|People were always pushing it around.
Why did the cat sit on the computer?|It wanted to watch the mouse.
Why did the chair skip the party?|It did not want to stand out.
Why was the onion so lonely?|Everyone cried when it came near.
Why did the snowman go to the market?|He was looking for a new nose.
Why did the bus driver smile?|His day was going in the right direction.
Why did the spoon get upset?|Someone caused a stir.
Why was the broom so happy?|It swept everyone off their feet.
Why did the cow buy a bell?|Her horn did not work.
Why did the egg stay at home?|It did not want to crack under pressure.
Why was the blanket arrested?|It was covering something up.
Why did the duck open a bank?|He already had a bill.
Why did the candle take a day off?|It was burned out.
Why did the button leave the shirt?|It was only hanging by a thread.
Why did the piano feel locked out?|It had lost one of its keys.
Why did the wall never fall in love?|It had too many bricks to think about.
Why did the calendar look worried?|Its days were numbered.
Why did the fish do well in class?|It was always in a school.
Why did the tree buy a suitcase?|It was ready to leave.
Why did the kettle sing?|It did not know the words, so it whistled.
Why did the carpet never travel?|It was tied to the floor.
""")

ADVICE: list[tuple[list[str], list[str], list[str]]] = [
    (
        lines("""how can I get up earlier
        I always sleep too late, what can I do
        I cannot get out of bed in the morning
        how do I stop sleeping late"""),
        lines("""Try to go to bed a little earlier each night. Put the alarm clock far from your bed.
        Go to bed at the same time each day. Open the curtains as soon as you wake up.
        Put your alarm across the room, so you have to get up to stop it.
        Start with ten minutes earlier each day. Small steps are easier to keep."""),
        lines("""Because a steady habit makes getting up easier.
        Because small changes are easier to keep than big ones."""),
    ),
    (
        lines("""I am late for work, what should I do
        I am going to be late for work
        my bus is late and I will miss the start of work
        what do I say when I am late for work"""),
        lines("""Call your workplace and tell them when you will arrive. A short, honest message is best.
        Send a short message now. Say that you are sorry and when you will be there.
        Let someone at work know, then travel safely. There is no need to rush too much.
        Tell your boss the truth and say sorry. Most people understand when it happens once."""),
        lines("""Because people worry less when they know what is going on.
        Because an honest message shows respect."""),
    ),
    (
        lines("""how can I make friends
        how do I make new friends
        I want to meet new people
        I find it hard to make friends"""),
        lines("""You could join a club or a class. It is easier to talk when you share an interest.
        Start small: say hello to the same people each week. Friendship takes time.
        Ask people about their day and listen well. Most people like a good listener.
        Invite someone for a short walk or a cup of tea. A simple plan is enough."""),
        lines("""Because friendship grows when people spend time together.
        Because most people are glad when someone makes the first step."""),
    ),
    (
        lines("""how can I save money
        I spend too much money
        how do I save a little money each month
        give me a tip to save money"""),
        lines("""Write down what you spend for one week. Then you can see what you do not need.
        Put a small sum aside on the day you get paid. Try not to touch it.
        Make a shopping list and buy only what is on it.
        Cook at home more often, and wait one day before you buy something big."""),
        lines("""Because a simple habit is easier to keep than a big plan.
        Because small sums add up over time."""),
    ),
    (
        lines("""how do I clean my room
        my room is a mess
        I need to tidy my room, where do I start
        help me clean my room"""),
        lines("""Start with the floor, then make the bed. After that, clear one shelf at a time.
        Take one bag for rubbish and one for laundry. Work from the door to the window.
        Set a timer for fifteen minutes and do one corner first. A small start helps.
        First pick up the clothes, then the dishes, then the papers. Wipe the surfaces last."""),
        lines("""Because you can see what you have done, and that helps.
        Because small parts are easier than the whole room at once."""),
    ),
    (
        lines("""I have guests tonight, what should I cook
        what can I cook for guests
        friends are coming for dinner, any ideas
        what is an easy meal for guests"""),
        lines("""A big pot of pasta with tomato sauce is easy. Add a salad and some bread.
        You could make a stew in the morning and warm it up later. Then you have time for your guests.
        Roast vegetables with rice are simple and most people like them.
        Make one main dish that you know well. Buy the dessert if you are short of time."""),
        lines("""Because then you can relax with your guests.
        Because simple things are less likely to go wrong."""),
    ),
    (
        lines("""how do I say sorry to a friend
        I hurt my friend's feelings
        I had a fight with my friend, what now
        how can I make up with a friend"""),
        lines("""Tell your friend that you are sorry and say what for. Then listen.
        A short, honest apology is best. Give your friend some time too.
        Say what you did wrong, without excuses. Ask how you can make it better."""),
        lines("""Because being heard helps people to forgive.
        Because honest words help to build trust again."""),
    ),
    (
        lines("""how can I learn a language
        what is a good way to learn new words
        I want to learn a new language
        how do I remember new words"""),
        lines("""Learn a few words every day and say them aloud. A little each day works well.
        Write five new words on a card and look at it often.
        Listen to simple songs and try to repeat them. It is fine to make mistakes."""),
        lines("""Because the mind keeps what it meets again and again.
        Because a little practice every day adds up."""),
    ),
    (
        lines("""I cannot focus on my work
        how do I stay focused
        I keep putting things off
        how can I stop wasting time"""),
        lines("""Put your phone in another room and work for twenty minutes. Then take a short break.
        Pick the smallest task and do it first. After that it gets easier.
        Write down three things to do today. Cross them out as you go."""),
        lines("""Because starting is often the hardest part.
        Because a short task feels less heavy."""),
    ),
    (
        lines("""what gift should I buy for a friend
        I need a birthday present for my friend
        what is a good small gift
        any ideas for a present"""),
        lines("""Think of what your friend enjoys. A book, a plant or something home-made is nice.
        A small plant or a good cup makes a kind gift. Add a short note.
        You could give a home-made cake or plan a day out together."""),
        lines("""Because a gift feels special when it fits the person.
        Because a little thought means more than a high price."""),
    ),
    (
        lines("""how do I keep my plants alive
        my plants keep dying
        how often should I water a house plant
        help, my plant looks sad"""),
        lines("""Touch the soil first. Give water only when the top feels dry.
        Put the plant near a window and do not water it too much.
        Most house plants like light and a little water once a week."""),
        lines("""Because too much water can harm the roots.
        Because plants need both light and the right amount of water."""),
    ),
    (
        lines("""what should I wear to a job interview
        how do I prepare for an interview
        I have an interview tomorrow, any tips
        how can I do well in an interview"""),
        lines("""Wear clean, simple clothes and arrive a little early. Bring one or two questions.
        Read about the place first and practise a few answers aloud.
        Sleep well, be on time, and tell them honestly what you can do."""),
        lines("""Because it is easier to stay calm when you are prepared.
        Because a good start makes the talk easier."""),
    ),
]

NICE = lines("""
    Somewhere a small bird is singing just because it is morning.
    You have done many good things that you no longer remember.
    A kind word takes one second and can last all day.
    There is always a fresh page for tomorrow.
    Warm bread, clean sheets and a good song are all real things.
    Someone is glad that they met you.
    You are allowed to rest without earning it first.
    Even a slow walk takes you forward.
    The sun does not mind if you start late.
    Small steps still count as steps.
    Old friends can start talking again as if no time had passed.
    A cup of tea tastes better when you share it.
    You make some rooms brighter just by coming in.
    Seeds grow quietly, and so do people.
    Somewhere a dog is waiting happily at a door.
    You learned to walk by falling, and you did very well.
    After the rain the whole street smells fresh.
    It is never too late to learn a new song.
""")

TECH = words("""quantum gravity, the tax law of 1830, neural surgery tools, rocket fuel, deep sea drilling, turbine blades,
    number theory, string theory, tensor fields, the price of copper, the bus timetable,
    tomorrow's lottery numbers,
    the stock market, satellite orbits, enzyme folding, the deepest cave, nuclear reactors,
    medieval contracts,
    the score of last night's game, the news from today, ancient Sumerian poetry, jet engines,
    encryption keys,
    glacier chemistry, the history of buttons, the rules of polo, plasma physics, beetle taxonomy,
    steel alloys,
    bridge cables, radio antennas, the best plumber in town, the population of ants, Byzantine coins,
    knot theory,
    compiler design, the inside of a volcano, shipping law, the train to the coast,
    the film that starts at eight""")
SYLL_A = "zor bla ven tri mol kra plu dri fen gol hax jul kem lum nor ost pim quo rin sal tov urb vik wex yan".split()
SYLL_B = "ba do fi ga lu mi no pa ri so ta vu xi ze lo ne ku da".split()
SYLL_C = "nt x rk n l m st rd nk p t lin ton gar vane wick dle moor zer".split()
