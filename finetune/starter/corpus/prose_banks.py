"""Word, sentence and topic banks for the connected plain English of the starter corpus."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return [w.strip() for w in " ".join(text.split()).split(",") if w.strip()]


def _lines(text: str) -> list[str]:
    """One entry a line; a line that begins with a blank continues the one before it."""
    out: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if line.startswith(" ") and out:
            out[-1] += " " + line.strip()
        else:
            out.append(line.strip())
    return out


def _rows(text: str) -> list[tuple[str, ...]]:
    return [tuple(part.strip() for part in line.split("::")) for line in _lines(text)]


HE_NAMES = _words("""
Adam, Albert, Amir, Anton, Arthur, Ben, Bruno, Carl, Cedric, Daniel, David, Diego, Edgar, Emil, Eric, Felix,
Finn, Frank, George, Gustav, Hassan, Henry, Hugo, Ivan, Jacob, James, Jonas, Karim, Leo, Louis, Lukas,
 Marco,
Martin, Max, Milan, Nils, Noah, Oliver, Omar, Oscar, Otto, Paul, Peter, Rafael, Samir, Simon, Stefan, Theo,
Thomas, Tim, Victor, Walter, William, Yusuf
""")
SHE_NAMES = _words("""
Ada, Agnes, Aisha, Alice, Amina, Anna, Astrid, Bella, Betty, Clara, Carmen, Diana, Dora, Edith, Elena, Ella,
Emma, Esther, Eva, Fatima, Flora, Frida, Gloria, Greta, Hanna, Helen, Ida, Ines, Irene, Iris, Jana, Julia,
Karin, Klara, Laura, Layla, Lena, Lily, Lucy, Maria, Martha, Maya, Mina, Nadia, Nina, Nora, Olga, Paula,
 Rita,
Rosa, Ruth, Sara, Sofia, Stella, Susan, Vera, Yasmin, Zoe
""")
THEY_NAMES = _words("""
Alex, Andy, Ari, Ash, Blake, Bo, Brook, Casey, Charlie, Chris, Dana, Dale, Eden, Ellis, Fern, Frankie, Gray,
Harper, Jamie, Jo, Jordan, Kai, Kim, Kit, Lee, Lou, Marlow, Nico, Pat, Quinn, Reese, Remy, River, Robin,
 Rowan,
Sacha, Sam, Sky, Taylor, Toni
""")
JOBS = _words("""
baker, gardener, teacher, tailor, postman, painter, farmer, cook, carpenter, clerk, nurse, driver,
 librarian,
student, shopkeeper, musician, plumber, sailor, florist, watchmaker, cleaner, waiter, potter, barber,
beekeeper, bus driver, ticket seller, gatekeeper, shoemaker, night guard
""")
PLACES = _words("""
in the garden, at the market, on the old bridge, at the bus stop, in the library, at the school, in the
 kitchen,
at the train station, in the park, by the river, at the post office, in the town hall, on the beach,
in the bakery, at the harbour, in the attic, in the cellar, behind the barn, under the stairs, in the
 hallway,
at the bank, in the classroom, in the waiting room, at the swimming pool, near the fountain, in the church
 yard,
on the hill, in the forest, at the farm, in the orchard, in the workshop, at the museum, in the theatre,
at the cinema, in the flower shop, at the corner shop, in the laundry room, on the balcony, in the yard,
at the playground, by the lake, in the meadow, at the crossroads, on the ferry, in the lift, in the car
 park,
at the tram stop, on the village square, in the bookshop, at the shoe shop, in the hotel lobby,
at the front desk, in the dining room, in the greenhouse, at the old mill, on the roof terrace, in the
 garage,
beside the well, near the school gate, by the old oak, in the music room, at the sports hall, in the
 canteen,
in the reading room, at the reception, on the footpath, behind the stage, beside the pond, at the fish
 stall,
under the kitchen table, behind the sofa, in the guest room, at the ticket office, near the lighthouse,
in the changing room, at the tennis court, in the storeroom, by the garden gate, on the stone wall,
in the stable
""")
OBJECTS = _words("""
umbrella, key, hat, scarf, book, lamp, basket, bottle, cup, ring, coat, bag, pencil, notebook, whistle,
 drum,
violin, flute, kite, ball, spoon, bowl, candle, clock, watch, map, letter, box, bell, ladder, brush, bucket,
blanket, pillow, button, glove, shoe, boot, belt, jacket, sweater, sock, apron, wallet, purse, suitcase,
 backpack,
ticket, stamp, envelope, postcard, newspaper, magazine, diary, pen, ruler, eraser, paintbrush, picture,
 frame,
mirror, comb, towel, sponge, broom, shovel, rake, hammer, saw, screwdriver, torch, lantern, rope, chain,
 lock, hook,
needle, thimble, ribbon, necklace, bracelet, brooch, teapot, kettle, pan, pot, plate, mug, jug, jar, tray,
 fork,
knife case, lunch box, cushion, chair, stool, bench, shelf, carpet, curtain, vase, flower pot, watering can,
bird house, bicycle, scooter, wheelbarrow, cart, sledge, boat, oar, net, fishing rod, tent, compass,
 telescope,
camera, radio, phone, tablet case, charger, calendar, folder, stapler, chess set, puzzle, doll, teddy bear,
toy train, toy car, balloon, kite string, spinning top, dice cup, card game, music box, guitar, trumpet,
 cap,
helmet, raincoat, swimsuit, walking stick, handkerchief, fan, egg basket, cake tin, recipe book, photo
 album,
sewing kit, tool box, door mat, wreath, snow globe, coin purse
""")
COLOURS = _words("red, blue, green, yellow, white, black, grey, brown, orange, purple, pink, silver")
ACTIONS = _rows("""
sweep :: swept :: the floor
water :: watered :: the plants
bake :: baked :: a cake
write :: wrote :: a letter
read :: read :: the newspaper
paint :: painted :: the fence
wash :: washed :: the windows
clean :: cleaned :: the kitchen
feed :: fed :: the hens
carry :: carried :: the boxes
cook :: cooked :: a pot of soup
cut :: cut :: the grass
plant :: planted :: a small tree
fix :: fixed :: the old chair
fold :: folded :: the towels
iron :: ironed :: a shirt
buy :: bought :: fresh bread
sell :: sold :: ripe plums
pick :: picked :: some apples
peel :: peeled :: the potatoes
sharpen :: sharpened :: the pencils
count :: counted :: the coins
open :: opened :: the shutters
close :: closed :: the gate
light :: lit :: the lanterns
build :: built :: a bird house
draw :: drew :: a map
sing :: sang :: an old song
play :: played :: the piano
teach :: taught :: a class
visit :: visited :: an aunt
call :: called :: a friend
send :: sent :: a parcel
collect :: collected :: the post
sort :: sorted :: the letters
wrap :: wrapped :: a present
mend :: mended :: a coat
sew :: sewed :: a button on a jacket
knit :: knitted :: a scarf
brush :: brushed :: the horse
walk :: walked :: the dog
ride :: rode :: a bicycle to town
drive :: drove :: the van
row :: rowed :: the boat
catch :: caught :: a fish
set :: set :: the table
clear :: cleared :: the table
make :: made :: a pot of tea
pour :: poured :: the milk
slice :: sliced :: the bread
stack :: stacked :: the plates
dry :: dried :: the cups
polish :: polished :: the shoes
empty :: emptied :: the bins
dust :: dusted :: the shelves
hang :: hung :: the washing outside
move :: moved :: the sofa
measure :: measured :: the room
repair :: repaired :: a clock
tune :: tuned :: the violin
check :: checked :: the list
copy :: copied :: a page
sign :: signed :: the form
print :: printed :: a sign
answer :: answered :: the phone
greet :: greeted :: the guests
welcome :: welcomed :: the visitors
help :: helped :: a neighbour
meet :: met :: an old friend
find :: found :: a coin
load :: loaded :: the cart
shovel :: shovelled :: the snow
rake :: raked :: the leaves
stir :: stirred :: the sauce
taste :: tasted :: the soup
choose :: chose :: a book
return :: returned :: a film
order :: ordered :: new paper
pack :: packed :: a suitcase
weigh :: weighed :: the onions
arrange :: arranged :: the flowers
""")
GLAD = _words("""
happy, glad, proud, calm, cheerful, pleased, relieved, grateful, hopeful, content, merry, delighted,
 peaceful,
satisfied, thankful, excited, very happy, very glad, full of joy, joyful, deeply grateful, so happy, so
 relieved,
so proud, touched, quite happy, truly thankful, quietly proud, overjoyed, all smiles, well pleased
""")
SAD = _words("""
sad, worried, upset, nervous, tired, puzzled, unhappy, cross, lonely, afraid, confused, ashamed, gloomy,
uneasy, restless, disappointed, helpless, shocked, troubled, impatient, embarrassed, frightened,
 downhearted,
weary, anxious, annoyed, alarmed, discouraged, miserable, very sad
""")
TIMES = _words("""
One morning, One evening, One cold day, One sunny day, One rainy afternoon, Last spring, Last summer,
Last autumn, Last winter, On Monday, On Tuesday, On Friday, On Saturday, On Sunday, Early one morning,
Late one night, One windy day, One quiet afternoon
""")
FRIENDS = _words("""
a neighbour, an old friend, a cousin, a young visitor, a kind stranger, a colleague, a classmate
""")
ANIMALS = _words("""
cat, dog, duck, goose, fox, rabbit, mouse, owl, hedgehog, donkey, goat, sheep, hen, frog, squirrel, bear,
 crow,
otter, pony, turtle, elephant, ant, pigeon, badger
""")
PROBLEMS = _rows("""
{N} could not open the front door, because the key had broken in the lock. :: {H} came with a small pair of
 pliers and pulled the broken piece out. :: What had broken in the lock? :: The key had broken in the lock.
The roof began to leak, and water dripped onto the bed. :: {H} climbed up the ladder and put two new tiles
 in place. :: What did {H} put in place? :: {H} put two new tiles in place.
The oven stopped working just before the guests came. :: {H} brought a large bowl of salad and some bread,
 so nobody stayed hungry. :: What stopped working? :: The oven stopped working just before the guests came.
{N} missed the last bus and had no way to get home. :: {H} stopped the car and drove {N} home. :: What did
 {N} miss? :: {N} missed the last bus.
The wind blew all the papers out of the window. :: {H} ran into the street and picked up every page. :: What
 did the wind blow out of the window? :: The wind blew all the papers out of the window.
{N} forgot the words of a song in front of the whole hall. :: {H} began to sing softly from the first row,
 and {N} joined in. :: What did {N} forget? :: {N} forgot the words of a song.
The goat had eaten all the lettuce in the garden. :: {H} helped {N} to build a strong fence and to plant new
 lettuce. :: What had the goat eaten? :: The goat had eaten all the lettuce in the garden.
{N} spilled blue paint on a white carpet. :: {H} knew a good trick with warm water and soap, and the spot
 went away. :: What did {N} spill on the carpet? :: {N} spilled blue paint on the white carpet.
A wheel came off the cart in the middle of the road. :: {H} lifted the cart while {N} put the wheel back on.
 :: What came off the cart? :: A wheel came off the cart.
The lights went out, and the whole house was dark. :: {H} found three candles in a drawer and lit them. ::
 How many candles did {H} find? :: {H} found three candles in a drawer.
{N} baked a cake with salt instead of sugar. :: {H} laughed kindly, and together they baked a second cake
 with sugar. :: What was wrong with the first cake? :: The first cake was made with salt instead of sugar.
The kitten climbed a tall tree and did not dare to come down. :: {H} fetched a long ladder and carried the
 kitten down. :: Where was the kitten? :: The kitten was up in a tall tree.
{N} had to write a speech, but no good idea came. :: {H} asked {N} to tell a true story about a kind person,
 and that became the speech. :: What did {N} have to write? :: {N} had to write a speech.
The river was high, and the small bridge was closed. :: {H} had a boat and rowed {N} to the other side. ::
 Why could {N} not use the bridge? :: The bridge was closed because the river was high.
A parcel for {N} went to the wrong house. :: {H} read the name on the parcel and brought it over before
 dinner. :: Where did the parcel go first? :: The parcel went to the wrong house first.
The clock stopped, so {N} was late for work. :: {H} cleaned the clock and wound it up again. :: Why was {N}
 late for work? :: {N} was late for work because the clock had stopped.
The stew was far too hot, and nobody could eat it. :: {H} stirred in some cream and two potatoes, and the
 stew became mild. :: What did {H} stir in? :: {H} stirred in some cream and two potatoes.
{N} could not reach the top shelf in the shop. :: {H} brought a stool and held it while {N} climbed up. ::
 What did {H} bring? :: {H} brought a stool.
A button fell off the coat just before the party. :: {H} sewed the button on with a strong thread. :: What
 fell off the coat? :: A button fell off the coat.
The garden pump broke, and the beans began to dry out. :: {H} carried ten buckets of water from the well. ::
 How many buckets did {H} carry? :: {H} carried ten buckets of water from the well.
{N} took the wrong train and got off in a strange town. :: {H} showed {N} the right platform and waited
 until the next train came. :: What did {N} take? :: {N} took the wrong train.
The shop was empty, because nobody could see it from the street. :: {H} painted a bright sign with an arrow
 and hung it on the corner. :: What did {H} paint? :: {H} painted a bright sign with an arrow.
The dog ran off with a sausage from the kitchen. :: {H} called the dog with a whistle, and it came back at
 once. :: What did the dog run off with? :: The dog ran off with a sausage from the kitchen.
Snow blocked the door, and {N} could not get out. :: {H} came with a shovel and cleared a path to the door.
 :: What blocked the door? :: Snow blocked the door.
{N} had bought too many plums, and they were getting soft. :: {H} suggested jam, and they filled twelve jars
 together. :: How many jars did they fill? :: They filled twelve jars with jam.
The tent fell down in the middle of the night. :: {H} held the lamp while {N} tied the ropes again. :: What
 fell down in the night? :: The tent fell down in the middle of the night.
The choir had no piano, and the concert was near. :: {H} had a guitar at home and offered to play for the
 choir. :: What did {H} offer to play? :: {H} offered to play the guitar for the choir.
{N} had made a fine soup, but there was no bread in the house. :: {H} ran to the baker and came back with a
 warm loaf. :: What did {H} come back with? :: {H} came back with a warm loaf of bread.
The zip of the suitcase broke at the station. :: {H} took a belt and tied the suitcase shut. :: What did {H}
 use to close the suitcase? :: {H} used a belt to tie the suitcase shut.
Two children both wanted the only swing. :: {H} counted to twenty, and the children took turns. :: What did
 both children want? :: Both children wanted the only swing.
A bird flew into the room and could not find the way out. :: {H} opened all the windows and put out the
 light. :: What flew into the room? :: A bird flew into the room.
{N} wanted to learn to swim, but the water looked deep. :: {H} stayed close and showed {N} how to float. ::
 What did {N} want to learn? :: {N} wanted to learn to swim.
The tomatoes would not grow, because a wall kept the sun away. :: {H} helped to move the pots to the sunny
 side of the house. :: Why would the tomatoes not grow? :: The tomatoes would not grow because a wall kept
 the sun away.
The bell of the school was broken, and nobody knew when to go in. :: {H} stood at the door and beat a big
 drum. :: What did {H} beat? :: {H} beat a big drum.
{N} had only one chair, but four guests were coming. :: {H} carried three chairs across the street. :: How
 many chairs did {H} carry? :: {H} carried three chairs across the street.
The map was wet, and the lines had washed away. :: {H} knew the way by heart and drew a new map. :: What
 happened to the map? :: The map got wet, and its lines washed away.
A loud noise in the wall kept {N} awake. :: {H} looked behind the boards and found a cricket, which they
 took outside. :: What made the noise? :: A cricket behind the boards made the noise.
{N} dropped a tray with all the cups. :: {H} brought six new cups from the cupboard and swept up the pieces.
 :: What did {N} drop? :: {N} dropped a tray with all the cups.
The hens had stopped laying eggs. :: {H} gave the hens fresh straw and a quiet corner, and soon there were
 eggs again. :: What did {H} give the hens? :: {H} gave the hens fresh straw and a quiet corner.
The letter was written in a language that {N} could not read. :: {H} had learned that language at school and
 read it aloud. :: Why could {N} not read the letter? :: The letter was written in a language that {N} did
 not know.
The ball landed on the roof during the game. :: {H} used a long broom to push the ball down. :: Where did
 the ball land? :: The ball landed on the roof.
{N} had lost count of the sacks and had to begin again. :: {H} drew one line on the wall for each sack, and
 the sum came out right. :: How did {H} help to count the sacks? :: {H} drew one line on the wall for each
 sack.
The pipe in the bathroom burst, and the floor was wet. :: {H} turned off the water and put a new pipe in. ::
 What burst in the bathroom? :: The pipe in the bathroom burst.
Nobody came to the reading evening. :: {H} asked all the people in the street, and soon twenty chairs were
 full. :: How many chairs were full in the end? :: In the end twenty chairs were full.
The baby next door cried the whole afternoon. :: {H} played a slow tune on the flute, and the baby fell
 asleep. :: What did {H} play? :: {H} played a slow tune on the flute.
The boat had a hole and took in water. :: {H} closed the hole with wood and tar. :: What was wrong with the
 boat? :: The boat had a hole and took in water.
{N} had burned the rice for the third time. :: {H} turned the heat down and showed {N} how much water to
 use. :: What had {N} burned? :: {N} had burned the rice for the third time.
The old horse did not want to cross the stream. :: {H} walked ahead with an apple, and the horse followed.
 :: What did {H} use to lead the horse? :: {H} used an apple to lead the horse.
The school play had no king, because one child was ill. :: {H} put on the crown and read the part from a
 sheet. :: Why did the play have no king? :: The play had no king because one child was ill.
The fog was thick, and {N} could not see the path. :: {H} rang a bell again and again, and {N} followed the
 sound. :: What did {H} ring? :: {H} rang a bell again and again.
The bees had left the hive and sat on a lamp post. :: {H} held a basket under the bees while {N} brushed
 them in. :: Where did the bees sit? :: The bees sat on a lamp post.
{N} had promised a present but had no money left. :: {H} had some wood, and they made a little toy boat. ::
 What did they make? :: They made a little toy boat out of wood.
""")
ENDINGS = _lines("""
{N} went home with a light heart.
After that, {N} and {H} were good friends.
They sat down together and drank a cup of tea.
{N} said thank you and meant it.
From that day on, {N} asked for help sooner.
{H} smiled and said that it was nothing.
That evening they laughed about it for a long time.
{N} never forgot that kind day.
The next day {N} brought {H} some flowers.
The whole street heard about it and was glad.
{N} wrote about it in a diary that night.
They shared a piece of cake and watched the sun go down.
{N} slept very well that night.
Now {N} tells the story to every visitor.
{H} waved and went home.
And that was the end of a long day.
{N} promised to help {H} the next time.
Both of them learned something that day.
After that, nothing seemed too hard.
{N} baked a loaf of bread for {H}.
They shook hands and went their ways.
The neighbours clapped and cheered.
Soon everything was as it should be.
{N} looked at {H} and laughed.
A week later they still spoke about it.
Since then, {H} has come to dinner every Sunday.
{N} kept a small note about it on the wall.
It turned out to be a very good day.
Sometimes a small hand is a big help.
{N} learned that two heads are better than one.
They walked home slowly under the stars.
In the end, everybody was in a good mood.
{N} gave {H} a warm hug.
{H} stayed for supper, and they talked until late.
Later {N} helped another person in the same way.
The day ended with music and soup.
{N} thought that friends are worth more than gold.
And from then on, they greeted each other every morning.
They agreed to meet again the next week.
{H} was proud, and {N} was thankful.
All was well again.
""")
FOODS = _words("""
bread, cheese, soup, rice, beans, salad, fish, eggs, apples, plums, pears, tomatoes, potatoes, carrots,
 honey,
butter, noodles, mushrooms, berries, cake
""")
DESCRIBE = _rows("""
a small kitchen :: The kitchen is small but bright. :: A {col} {thing} stands next to the stove. :: Pots
 hang from hooks on the wall, and the biggest one is full of {food}. :: A cat sleeps under the table. :: The
 window is open, and it smells of {food}. :: Everything has its place, so nobody has to search.
a living room :: The living room has a soft sofa and a round table. :: On the table there is a {col}
 {thing}. :: Thick curtains keep out the cold air. :: Many books stand in a tall shelf. :: In the evening a
 lamp gives a warm light. :: It is a good room for long talks.
a child's bedroom :: The bedroom has a low bed and a {col} carpet. :: Toys lie in a big box near the window.
 :: A {thing} stands on the little desk. :: Paper stars hang from the ceiling. :: The blanket is {col2} and
 very soft. :: At night a small lamp stays on.
a market :: The market begins early in the morning. :: Sellers call out the prices of {food} and {food2}. ::
 {Col} cloths hang over the stalls and keep the sun away. :: People carry heavy baskets and stop to talk. ::
 An old man sells a {thing} at the last stall. :: By noon most of the tables are empty.
a quiet street :: The street is narrow and quiet. :: {Col} flowers grow in front of the houses. :: A bicycle
 leans against a {col2} door. :: Now and then a car passes slowly. :: Two neighbours talk over the fence. ::
 In the evening the lamps go on one by one.
a busy street :: The street is full of people and noise. :: Buses stop, and the doors open with a hiss. :: A
 woman with a {col} bag hurries across the road. :: Shop windows show shoes, hats and a {thing}. :: On the
 corner a man sells {food}. :: Even at night it is never quite still.
spring :: In spring the days grow longer. :: Small {col} flowers come out of the ground. :: Birds build
 nests and sing early in the morning. :: People open the windows and clean their rooms. :: The rain is soft,
 and the air smells fresh. :: Everything seems to begin again.
summer :: In summer the sun is high and the days are hot. :: Children swim in the lake and eat cold {fruit}.
 :: The grass turns yellow when it does not rain. :: People sit outside until late. :: A {col} {thing} lies
 forgotten in the garden. :: The nights are short and warm.
autumn :: In autumn the leaves turn yellow, red and brown. :: The wind blows them across the path. ::
 Farmers bring in {fruit} and potatoes. :: In the morning there is fog over the fields. :: People take out a
 warm coat and a {col} scarf. :: It gets dark earlier every day.
winter :: In winter the nights are long and cold. :: Snow lies on the roofs and covers every sound. ::
 Children pull a {col} sledge up the hill. :: Inside, people drink tea and eat hot soup. :: Ice grows on the
 windows. :: The trees are bare, but the stars look very clear.
a meal with friends :: The table is set for six people. :: There is a big bowl of {food} in the middle. ::
 Beside it stand {food2} and a jug of water. :: Everyone takes a little and passes the bowl on. :: The
 plates are {col}, and no two cups are the same. :: The talk is so good that nobody looks at the clock.
a simple breakfast :: The breakfast is simple. :: There is fresh bread with butter and honey. :: A {col} cup
 of tea stands beside the plate. :: The eggs are still warm. :: Through the window comes the first light of
 the day. :: After ten minutes only crumbs are left.
a morning at home :: The morning starts with the sound of the alarm. :: Someone puts the kettle on. :: A
 {col} towel hangs on the door, still wet. :: The radio plays quietly while the bread gets brown. :: Shoes
 are searched for and found under the {thing2}. :: Then the door closes, and the house is quiet.
a rainy day :: Rain runs down the windows and fills the street. :: People hurry past under {col} umbrellas.
 :: The sky is low and grey. :: A dog shakes itself in the doorway. :: Inside, a {thing} stands beside the
 warm stove. :: It is a good day to read a book.
a small library :: The library is small and very quiet. :: Tall shelves stand in straight rows. :: At the
 desk a person in a {col} sweater stamps the books. :: Two students whisper over a map. :: By the window
 there is a soft chair for readers. :: A sign asks everybody to speak in a low voice.
a train station :: The station hall is high and full of echoes. :: A big board shows the next trains. ::
 Travellers pull suitcases, and one of them is bright {col}. :: Somebody sells coffee and {food} near the
 platform. :: A whistle blows, and the doors close. :: Then the platform is empty for a while.
a waiting room :: The waiting room has ten {col} chairs. :: On a low table lie old magazines. :: A clock
 ticks on the wall. :: A child plays with a {toy} on the floor. :: From time to time a door opens and a name
 is called. :: People speak quietly or look out of the window.
a farm :: The farm lies at the end of a long road. :: Hens walk freely across the yard. :: A {col} tractor
 stands in front of the barn. :: The farmer sells eggs and {food} at the gate. :: In the field, cows chew
 slowly and look at the clouds. :: It smells of hay and earth.
a beach :: The beach is wide and full of light. :: Small waves roll in and pull back again. :: A {col} towel
 lies in the sand. :: Children build a castle and look for shells. :: Far out, a boat with a {col2} sail
 moves slowly. :: The wind tastes of salt.
a workshop :: The workshop smells of wood and oil. :: Tools hang on the wall in neat rows. :: A {thing}
 without paint waits on the bench. :: Under the lamp lies a {col} apron. :: The floor is covered with fine
 dust. :: Here almost anything can be repaired.
a garden :: The garden is not large, but it is full of life. :: {Col} roses climb up the wall. :: Behind
 them grow {veg} in straight rows. :: A {thing} stands forgotten beside the path. :: Bees move from flower
 to flower. :: In the shade there is a bench for two people.
a village :: The village has one street and a small square. :: In the middle stands an old tree with a bench
 around it. :: The baker sells bread and {food} until noon. :: Every house has a {col} door. :: In the
 evening people meet at the well. :: Visitors are always greeted.
an evening in the city :: In the evening the city begins to shine. :: Windows glow, and signs turn on in
 {col} and {col2}. :: People leave work and meet friends. :: Music comes from an open door. :: The air
 smells of rain and {food}. :: Late at night the last tram goes home.
a forest :: The forest is cool and green. :: Light falls through the leaves in small spots. :: {Col}
 mushrooms grow beside the path. :: A bird calls, and another one answers. :: Old trunks lie on the ground,
 covered with moss. :: Far away a stream can be heard.
""")
EXPLAIN = _rows("""
how bread is made :: Flour, water, salt and yeast are mixed to a dough. The dough rests until it has risen.
 Then it is shaped and baked in a hot oven. :: First you mix flour with water, yeast and a little salt.
 After it has rested, you form a loaf and bake it until the crust is brown.
why leaves fall in autumn :: In autumn there is less light and warmth. The tree takes the useful parts back
 from its leaves and lets them drop. In this way it saves water during the winter. :: Leaves lose a lot of
 water. When the cold comes, a tree cannot get enough of it, so it drops its leaves.
how a library works :: A library lends books to its members. You show your card, take a book home and bring
 it back before the due date. :: You get a card and choose your books. The desk notes what you take and when
 it must come back. If you need more time, you can ask to renew it.
what a receipt is for :: A receipt shows what you bought, when you bought it and how much you paid. You need
 it if you want to return something. :: A receipt is proof of a payment. Keep it in case there is a mistake
 or the thing is broken.
how to prepare for a meeting :: Read the agenda first and write down your questions. Bring the papers you
 need and come a few minutes early. :: Find out what the meeting is about and what you want from it. Make
 short notes. On the day, be on time and bring a pen.
what happens at a post office :: At a post office people send letters and parcels. The clerk weighs each
 item and tells you the price. You can also pick up things that could not be delivered. :: You bring your
 parcel to the counter and pay for sending it. Then it is sorted and travels to its address.
what happens at a bank :: A bank keeps money safe for its customers. People can pay in money, take it out or
 send it to someone else. :: At a bank you can open an account. The bank writes down each sum that comes in
 or goes out, so you always know what you have.
what happens at a court :: In a court, a judge listens to both sides of a dispute. Each side may speak and
 show papers. At the end the judge decides under the law. :: People bring a dispute to a court when they
 cannot settle it alone. The judge hears everyone and then gives a decision.
what happens at a clinic reception :: At the reception you give your name and the time of your appointment.
 The person at the desk checks the list and asks you to wait. Then you are called. :: The reception is the
 first desk in a clinic. There you can make an appointment, hand in forms and ask where to go.
how a letter reaches its address :: The letter is collected from the box and brought to a sorting office.
 There it is sorted by place. A carrier brings it to the right door. :: A letter needs a clear address and a
 stamp. It is sorted, carried to the right town and put into the letter box.
how cheese is made :: Cheese is made from milk. The milk is warmed and made thick, and then the water is
 pressed out. Many cheeses rest for weeks before they are eaten. :: When milk turns thick, the solid part is
 taken out and pressed. With salt and time it becomes cheese.
how butter is made :: Butter comes from cream. The cream is beaten until the fat comes together in lumps.
 The lumps are washed and pressed. :: If you shake cream for a long time, it parts into butter and a thin
 liquid. The butter is then shaped and kept cold.
how honey is made :: Bees collect a sweet juice from flowers. In the hive they let it dry until it is thick.
 The beekeeper takes some of it and fills it into jars. :: Honey starts in flowers. Bees carry the sweet
 juice home and store it in small cells of wax.
how paper is made :: Wood is cut into tiny pieces and mixed with water. The wet mass is spread thin, pressed
 and dried. Then it is cut into sheets. :: Most paper comes from wood. Its fibres are soaked, laid in a thin
 layer and dried until they hold together.
how glass is made :: Sand is heated until it melts. The hot glass is then blown, rolled or pressed into a
 shape. As it cools, it becomes hard. :: Glass is mostly made of sand. In great heat the sand becomes
 liquid, and it can take almost any form.
why it rains :: The sun warms the water, and some of it rises as vapour. High up it cools and forms clouds.
 When the drops grow heavy, they fall as rain. :: Clouds are made of tiny drops of water. The drops join,
 and when they are too heavy, it rains.
why it snows :: When the air is very cold, the water in a cloud freezes into small crystals. They stick
 together and fall as snow. :: Snow is frozen water from the clouds. If the air stays cold down to the
 ground, the flakes do not melt.
why the sky gets dark at night :: The earth turns once each day. At night our side is turned away from the
 sun, so no sunlight reaches us. :: Day and night come from the turning of the earth. When we face away from
 the sun, it is dark.
why ice floats :: Water takes up more room when it freezes. So a piece of ice is lighter than the same
 amount of water, and it floats. :: Ice is less dense than water. That is why it stays on top of a lake or a
 glass.
why we sleep :: Sleep gives the body and the mind time to rest. After a good night we can think and remember
 better. :: While we sleep, the body saves strength. People who sleep too little are often tired and make
 mistakes.
why bread gets hard :: Bread loses its moisture after baking. The longer it lies in the open air, the drier
 and harder it becomes. :: Fresh bread holds a lot of water. With time the water leaves it, so a closed box
 keeps it soft for longer.
why onions make us cry :: When an onion is cut, it lets out a sharp gas. The gas reaches the eyes, and tears
 wash it away. :: Cutting an onion sets free something that stings the eyes. The tears come to protect them.
why birds fly south :: In winter many birds find too little food in the cold. They fly to warmer places and
 come back in spring. :: Some birds eat insects, and insects are rare in winter. So the birds travel to the
 south until it is warm again.
how a seed grows :: A seed needs water, air and some warmth. First a root grows down, then a shoot pushes up
 to the light. :: When a seed gets wet, it opens. The root looks for water, and the small leaves look for
 light.
how to plant a tree :: Dig a hole that is wider than the roots. Put the tree in straight, fill in the earth
 and press it down. Then water it well. :: Choose a place with enough light and room. Set the roots in the
 hole, close it with soil and give plenty of water.
how to water plants :: Touch the soil before you water. If it is dry, pour water slowly near the roots.
 Morning is a good time for it. :: Most plants like wet roots and dry leaves. Give them water when the soil
 feels dry, but do not leave them in a puddle.
how to make tea :: Boil fresh water and pour it over the leaves. Wait a few minutes and take the leaves out.
 Then the tea is ready to drink. :: Put tea leaves in a pot and add hot water. After about four minutes you
 can pour it into a cup.
how to make a simple soup :: Cut some vegetables and cook them in water with a little salt. When they are
 soft, taste the soup and serve it. :: Start with an onion in a warm pot. Add carrots, potatoes and water,
 and let everything cook until it is soft.
how to cook rice :: Wash the rice and put it in a pot with twice as much water. Let it boil, then cook it
 gently with the lid on. :: Use one cup of rice and two cups of water. Cook it slowly until the water is
 gone, and let it rest for a few minutes.
how to boil an egg :: Put the egg in boiling water with a spoon. Wait about eight minutes for a firm egg.
 Then cool it under cold water. :: Lay the egg carefully into hot water. A short time makes it soft, and a
 longer time makes it hard.
how to set a table :: Put a plate in front of each chair. The fork goes on the left and the knife on the
 right. A glass stands above the knife. :: Count the guests first. Then lay out plates, forks, knives and
 glasses, and put the bowl in the middle.
how to wash dishes by hand :: Fill the sink with warm water and a little soap. Wash the glasses first and
 the pots last. Rinse everything and let it dry. :: Begin with the cleanest things and end with the dirty
 pans. Warm water and soap do most of the work.
how to wash clothes :: Sort the clothes by colour and check the labels. Put them in the machine with soap,
 and hang them up when they are clean. :: Light and dark clothes should be washed apart. After washing,
 shake them out and let them dry in the air.
how to iron a shirt :: Start with the collar, then do the sleeves and the back. Keep the iron moving so that
 it does not burn the cloth. :: The shirt should be slightly damp. Iron the small parts first and the large
 parts last, and then hang it up.
how to sew on a button :: Pull the thread through the cloth and the holes of the button several times. Wind
 it round a few times below the button and make a knot. :: You need a needle, thread and the button. Sew
 through each hole until the button sits firmly.
how to fold a letter :: Lay the sheet flat and fold the lower third up. Then fold the upper third down over
 it. Now it fits into an envelope. :: Fold the page twice, so that it has three equal parts. Press the edges
 and slide it into the envelope.
how to write a thank-you note :: Begin with the name of the person. Say what you are thankful for and why
 you liked it. End with a kind greeting. :: A thank-you note can be short. Name the present or the help, say
 what it means to you and sign it.
how to write a letter :: Put the date at the top and begin with a greeting. Write what you want to say in
 clear sentences. At the end, sign your name. :: A letter has a greeting, a main part and a closing line.
 Keep it simple, and read it once before you send it.
how to ask for help politely :: Say hello first and ask whether the person has a moment. Explain in one
 sentence what you need. Say thank you, even if the answer is no. :: Use the words please and could. A short
 and friendly question is the best way to get help.
how to say sorry :: Say clearly what you did wrong and that you regret it. Do not blame others. Then offer
 to put it right. :: A good apology is short and honest. Name the mistake, say sorry and try to make things
 better.
how to make a list :: Write one thing on each line. Put the most important thing at the top, and cross out
 what is done. :: Take a sheet of paper and note everything that comes to mind. Then put it in order.
how to plan a day :: Write down what you must do and how long it takes. Do the hardest part first and leave
 time for breaks. :: Choose three important tasks for the day. Give each one a time, and do not plan every
 minute.
how to save water at home :: Close the tap while you brush your teeth. Take short showers and repair a
 dripping tap. :: Small habits help a lot. Fill the washing machine fully, and use rain water for the
 garden.
how to save power at home :: Turn off the lights when you leave a room. Unplug things that you do not use,
 and put a lid on the pot when you cook. :: Use daylight as long as you can. Switch machines off fully at
 night and heat only the rooms you need.
how to air a room :: Open the windows wide for about ten minutes. Fresh air comes in and damp air goes out.
 Then close them again. :: A short time with wide open windows is better than a small gap all day. In winter
 the walls stay warm that way.
how to pack a suitcase :: Put heavy things at the bottom and soft things on top. Roll your shirts to save
 room. Keep papers where you can reach them. :: Make a list first and pack only what you need. Shoes go in
 first, and clothes fill the gaps.
how to read a map :: Look for north first and turn the map the right way. Then find where you are and where
 you want to go. The signs are explained at the edge. :: A map shows the land from above. Find your place on
 it and follow the roads with your finger.
how to cross a street safely :: Stop at the edge and look in both directions. Wait until the cars have
 stopped or the light is green. Then walk straight across. :: Use a crossing whenever there is one. Look
 left and right, and do not run.
how to use a bus :: Find the stop and read the timetable. When the bus comes, get in, buy or show your
 ticket and sit down. Press the button before your stop. :: Check the number and the direction of the bus.
 You need a ticket, and you should get off at the right stop.
how to buy a train ticket :: Go to the counter or the machine and say where you want to go. Choose the day
 and the time, then pay. Keep the ticket until the end of the trip. :: You need to know the place, the date
 and the time. The clerk can tell you the price and the platform.
what a timetable is :: A timetable is a list of times. It shows when buses, trains or lessons begin. :: A
 timetable tells you when something starts and ends. You look for the day first and then for the hour.
what a calendar is for :: A calendar shows the days, weeks and months of a year. People write their
 appointments into it so that they do not forget them. :: With a calendar you can plan ahead. Each day has
 its own space for notes.
what a contract is :: A contract is an agreement between two or more people. It says what each side must do.
 Both sides should read it before they sign. :: When people promise each other something in a binding way,
 that is a contract. It is often written down and signed.
what a signature is for :: A signature is your name written by your own hand. It shows that you have read a
 paper and agree with it. :: By signing, you say yes to what is written. So you should always read a paper
 before you sign it.
what rent is :: Rent is the money that you pay to use a flat, a house or a thing that belongs to someone
 else. It is often paid once a month. :: If you live in a flat that is not yours, you pay rent to the owner.
 The amount is written in the contract.
what a deposit is :: A deposit is a sum of money that you leave for safety. You get it back if everything is
 in order at the end. :: When you rent something, you may have to leave a deposit. It is returned when you
 bring the thing back whole.
what an invoice is :: An invoice is a letter that asks for payment. It names the goods or the work, the
 price and the last day to pay. :: A seller sends an invoice to a buyer. It shows how much must be paid and
 until when.
what a budget is :: A budget is a plan for money. It lists what comes in and what goes out in a month or a
 year. :: With a budget you see whether your money will be enough. You write down all costs and compare them
 with your income.
what a loan is :: A loan is money that you borrow and must pay back later. Often you pay a little more than
 you got. :: When a bank lends you money, that is a loan. You give it back in small parts over time.
what interest is :: Interest is the price for borrowed money. Who borrows pays it, and who saves may receive
 it. :: If you lend money, you may get a little more back. That extra part is called interest.
what insurance is :: Many people pay a small sum into one fund. When one of them has a loss, the fund helps
 to pay for it. :: Insurance shares a risk among many people. You pay regularly, and you get help if
 something bad happens.
what a tax is :: A tax is money that people and firms pay to the state. It is used for schools, roads and
 many other things. :: The state needs money for its tasks. People pay a part of what they earn or spend,
 and that part is called a tax.
what a law is :: A law is a rule that holds for everybody in a country. It says what is allowed and what is
 not. :: Laws help people to live together. If someone breaks a law, a court may have to decide what
 follows.
what a witness does :: A witness tells a court what he or she saw or heard. A witness must say the truth. ::
 When something has happened, a witness can describe it. The court listens and asks questions.
what a judge does :: A judge leads the hearing in a court. The judge listens to both sides and decides under
 the law. :: A judge must be fair and must not take sides. At the end he or she explains the decision.
what a lawyer does :: A lawyer knows the law and gives advice to clients. A lawyer can also write letters
 and speak for them in court. :: People go to a lawyer when they have a legal question. The lawyer studies
 the case and says what can be done.
what a clerk does :: A clerk works in an office. He or she keeps papers in order, answers letters and helps
 visitors. :: Clerks look after lists, forms and files. Without them, an office would soon be full of lost
 papers.
what a receptionist does :: A receptionist greets visitors and answers the phone. He or she also makes
 appointments and shows people the way. :: The receptionist sits at the front desk. Visitors give their name
 there and are told where to go.
what a nurse does :: A nurse cares for people who are ill. Nurses help patients, watch over them and work
 together with doctors. :: Nurses look after patients by day and by night. They listen, help and tell the
 doctor what they see.
what a gardener does :: A gardener takes care of plants. He or she plants, waters and cuts them, and keeps
 the paths clean. :: Gardeners work mostly outside. They know when to sow, when to water and when to
 harvest.
what a baker does :: A baker makes bread, rolls and cakes. The work begins very early, so that everything is
 fresh in the morning. :: Bakers mix dough, form loaves and watch the oven. When most people get up, their
 shelves are already full.
what a plumber does :: A plumber puts in and repairs water pipes. If a tap drips or a drain is blocked, you
 call a plumber. :: Plumbers work with pipes, taps and heaters. They make sure that water flows where it
 should.
what an electrician does :: An electrician puts in wires, lights and switches. The work can be dangerous, so
 it needs good training. :: Electricians repair lamps, sockets and lines. They turn the power off before
 they begin.
what a teacher does :: A teacher plans lessons and explains new things. He or she answers questions and
 checks the work of the pupils. :: Teachers help others to learn. They prepare tasks, listen and give marks.
what a librarian does :: A librarian chooses books, puts them in order and helps readers to find them. ::
 Librarians know where each book stands. They lend books out, take them back and answer questions.
what a landlord does :: A landlord owns a house or a flat and lets other people live in it for rent. He or
 she has to keep the house in good order. :: The landlord signs the contract with the tenant and receives
 the rent. If the heating breaks, the tenant tells the landlord.
what a tenant is :: A tenant is a person who rents a flat or a house. The tenant pays rent and may live
 there under the rules of the contract. :: A tenant lives in a place that belongs to someone else. In return
 the tenant pays money and takes care of the rooms.
how to report a repair to a landlord :: Write down what is broken and since when. Send a short note to the
 landlord and keep a copy. Ask for a date for the repair. :: Tell the landlord soon and in writing. Say
 which room it is and how you can be reached.
how to move house :: Pack your things in boxes and write on each box what is inside. Tell the post office
 your new address. Then load the heavy things first. :: Begin early and sort out what you no longer need. On
 the day, friends can help you to carry.
how to fill in a form :: Read the whole form before you write. Use clear letters and fill in each field. At
 the end, check the date and sign it. :: Have your papers ready. Write your name and address as they stand
 there, and ask at the desk if a question is not clear.
how to make an appointment :: Call the office and give your name. Say what it is about and which days suit
 you. Write the date down at once. :: You can ask at the desk or by phone. Name a day, repeat the time and
 note it in your calendar.
how to cancel an appointment :: Call as early as you can and give your name and the time. Say that you
 cannot come, and ask for a new date if you need one. :: A short call is enough. Tell them which appointment
 it was, so that another person can have it.
how to return a thing to a shop :: Bring the thing and the receipt to the shop. Explain what is wrong. The
 shop may repair it, change it or give the money back. :: Keep the receipt and come soon. At the desk, show
 both and say what you would like.
how to complain politely :: Stay calm and say what happened. Explain what you would like to have instead.
 Thank the person for listening. :: A good complaint is short and clear. Name the facts, do not shout, and
 ask for a way to put it right.
how to prepare for an interview :: Read about the job and think of examples from your work. Choose clean
 clothes and find out the way. Be there ten minutes early. :: Practise a few answers aloud. Bring your
 papers, and think of two questions that you would like to ask.
how to take notes :: Write only the main points and use short words. Leave some space, so that you can add
 things later. :: Listen first and then write. Dates, names and numbers are the most important parts.
how to learn new words :: Learn a few words each day and say them aloud. Use them in sentences. Repeat them
 after a day and after a week. :: Write the word on one side of a card and its meaning on the other. Look at
 the cards often, but only for a short time.
how to remember a name :: Listen carefully and say the name once. Think of something that fits to it. Use it
 again when you say goodbye. :: Repeat the name in your head and link it to the face. Later, write it down.
how to read a long text :: Look at the headings first. Then read one part at a time and say in one sentence
 what it was about. :: Read it once quickly and once slowly. Mark the words that matter and make a short
 summary.
how to give directions :: Begin at the place where the person stands. Name the turns one by one and use
 things that are easy to see. At the end, repeat the way. :: Keep it short. Say left, right or straight on,
 and name a big building near the goal.
how to take a phone message :: Write down who called, when and why. Ask for the number and repeat it. Then
 give the note to the right person. :: A good message has a name, a time, a number and a reason. Ask the
 caller to spell the name if you are not sure.
how to greet a visitor :: Stand up, smile and say hello. Ask for the name and how you can help. Offer a seat
 if there is a wait. :: Look at the person and give a friendly greeting. Then listen to what he or she
 needs.
what a queue is for :: A queue puts waiting people in order. The one who came first is served first, and
 that is fair. :: When many people want the same thing, they stand in a line. So everyone knows when it is
 his or her turn.
what a museum is :: A museum keeps old or beautiful things and shows them to visitors. Signs explain where
 they come from. :: In a museum you can see pictures, tools or old clothes. People go there to learn and to
 look.
what a town hall is for :: In the town hall people work for the town. There you can register your address,
 ask for papers and get advice. :: A town hall is the main office of a town. Many forms are handed in there.
what a fire drill is for :: In a fire drill people practise how to leave a building. So they know the way
 when there is a real fire. :: Everybody goes out calmly and meets at one place. The drill shows whether the
 way is free and how long it takes.
what a lost-and-found office does :: People bring found things to this office. The things are noted and kept
 for some time. The owner can describe the thing and get it back. :: If you lose a bag on the bus, ask at
 the lost-and-found office. You have to say what it looks like.
what a password is for :: A password protects your letters, money or pictures. Only someone who knows it may
 enter. You should keep it secret. :: A password works like a key. A good one is long and hard to guess.
what a library card is for :: With a library card you can borrow books. It shows who you are and which books
 you have at home. :: The card belongs to one person. You show it at the desk when you borrow or return
 something.
what a recipe is :: A recipe tells you how to cook a meal. It lists what you need and then the steps in
 order. :: A recipe is a plan for cooking. If you follow it, the meal turns out nearly the same each time.
what a dictionary is for :: A dictionary explains words. They stand in the order of the alphabet, so that
 you can find them quickly. :: When you do not know a word, you look it up in a dictionary. It shows the
 meaning and the spelling.
what a bridge is for :: A bridge leads a road or a path over water, a valley or another road. Without it,
 people would have to go a long way round. :: Bridges join two sides. They must be strong enough for
 everything that crosses them.
how a bicycle works :: You push the pedals with your feet. A chain carries the movement to the back wheel,
 and the bicycle rolls. :: The pedals turn the chain, and the chain turns the wheel. With the handlebar you
 steer, and with the brakes you stop.
how a clock works :: A clock has something that moves at a steady pace. Wheels count the movement and turn
 the hands. :: Inside a clock, small wheels turn at fixed speeds. The short hand shows the hours and the
 long hand the minutes.
how a candle burns :: The flame melts the wax. The liquid wax climbs up the wick and burns there. So the
 candle gets shorter. :: A candle needs wax, a wick and air. If you take away the air, the flame goes out.
how a fridge keeps food cold :: A fridge takes heat from the inside and gives it off at the back. So the
 food stays cold and keeps longer. :: A liquid runs through thin pipes and carries the heat away. Each time
 the door is open, warm air comes in.
how a key opens a lock :: Inside the lock there are small pins. The right key lifts each pin to the right
 height, and then the lock can turn. :: A key has teeth of different height. Only if they fit the lock will
 it open.
how a mirror works :: A mirror has a very smooth surface that throws the light back. So we see ourselves in
 it. :: Light falls on the mirror and comes back to our eyes. Left and right seem to change places.
how rivers begin :: Many rivers begin as a small spring in the hills. Other streams join them, and they grow
 wider until they reach the sea. :: Rain sinks into the ground and comes out at a spring. The water flows
 down and becomes a stream and then a river.
how a day at school goes :: Pupils come in the morning and have several lessons. Between the lessons there
 are breaks. In the afternoon they go home and do their homework. :: A school day begins with a bell.
 Lessons and breaks follow each other, and there is time for lunch.
how an election of a class speaker works :: Some pupils say that they would like to do the task. Everyone
 writes one name on a paper. The papers are counted, and the pupil with the most votes is chosen. :: Each
 pupil has one vote. After the vote, the names are counted aloud, and the winner speaks for the class.
how to share a cake fairly :: Count the people first and cut as many equal pieces. Or let one person cut and
 the other one choose. :: Fair means that each one gets the same. Cut slowly, and let the youngest choose
 first.
how to tidy a desk :: Take everything off and wipe the desk clean. Put back only what you use each day. The
 rest goes into a drawer or the bin. :: Sort the papers into three heaps: keep, do and throw away. Then give
 each thing a fixed place.
how to clean a window :: Wash the glass with warm water and a little soap. Wipe it from top to bottom and
 dry it with a soft cloth. :: Choose a day without strong sun. Wash, wipe and polish, and do not forget the
 frame.
how to look after a cat :: A cat needs fresh water, food and a clean place. Play with it each day and let it
 rest when it wants to. :: Feed the cat at the same times and keep its box clean. If it seems ill, call a
 vet.
how to walk a dog :: Put the dog on a lead and take a bag with you. Let it sniff, but stay away from busy
 roads. Give it water when you are back. :: A dog needs to go out several times a day. Walk at a steady pace
 and praise it when it listens.
how to keep bread fresh :: Keep bread in a closed box or a cloth bag. Do not leave it in the sun. You can
 also freeze it in slices. :: Bread stays soft when the air cannot dry it out. A clean box in a cool place
 is best.
how to wrap a present :: Lay the present on the paper and cut off what is too much. Fold the paper over it
 and fix it with tape. Then tie a ribbon around it. :: Choose paper that is large enough. Fold the sides
 neatly, close them and add a small card.
how to welcome a new neighbour :: Ring the bell and say your name. You can bring a little bread or some
 flowers. Offer help if something is missing. :: A few kind words are enough. Tell the new neighbour about
 the shops and the house rules.
how to tell a good story :: Begin with a person and a place. Then something must happen that is not easy to
 solve. At the end, show how it was solved. :: A good story has a beginning, a middle and an end. Use simple
 words and do not tell everything at once.
how a town gets clean water :: Water comes from wells, lakes or rivers. It is cleaned and tested. Then it
 runs through pipes to the houses. :: First sand and other filters take out the dirt. After that, pumps
 press the water through long pipes.
what happens to waste paper :: Waste paper is collected and sorted. It is soaked in water until the fibres
 come apart. From them new paper is made. :: Old paper is not lost. In a factory it is washed and pressed,
 and it comes back as boxes or sheets.
how jam is made :: Fruit is washed, cut and cooked with sugar. When it is thick, it is filled into clean
 jars and closed at once. :: Cook ripe berries with sugar and stir them well. The sugar and the heat make
 the jam keep for a long time.
why shops have opening hours :: People who work in a shop need fixed times. With opening hours the customers
 know when they can come. :: Opening hours help both sides. The workers can plan their day, and no customer
 stands at a closed door.
why people shake hands :: Shaking hands is an old sign of trust. It shows an open hand and a friendly mind.
 :: People shake hands to greet each other or to close an agreement. In some places they bow or wave
 instead.
why we need rules in a house :: Rules help people to live close together. If everyone knows when it is quiet
 time, there is less dispute. :: Many people share the stairs, the yard and the walls. House rules say what
 each one may do and when.
why we keep copies of papers :: Papers can get lost or wet. With a copy you can still show what was written.
 :: A copy is a simple kind of safety. Put it in another place than the first paper.
""")
# Service requests: user text :: the reply's core, which names the matter :: a next step.
SERVICE = _rows("""
I would like to return this {obj}. :: Of course, I can help you to return the {obj}. :: Please show me the
 receipt first.
I lost my library card. :: I am sorry that your library card is lost. :: Please fill in this form, and you
 will get a new card tomorrow.
The heating in my flat does not work. :: Thank you for telling us about the heating. :: We will send someone
 to look at it; please tell me your flat number.
The tap in my bathroom drips. :: I will note that the tap in your bathroom drips. :: Please tell me when
 someone can come in to repair it.
I have lost the key to my flat. :: I am sorry about the lost key. :: Please come to the office with your
 papers, and we will talk about a new one.
My neighbour is very loud at night. :: I understand that the noise at night is hard for you. :: Please write
 down the days and times and send the list to us.
The lift in our house is out of order. :: Thank you for the report about the lift. :: A worker will be
 called today; please use the stairs until then.
The light on the stairs is broken. :: Thank you, I will pass on that the light on the stairs is broken. ::
 Please tell me which floor it is.
I would like to pay my rent later this month. :: Thank you for telling us early about the rent. :: I cannot
 decide that here, so please send a short letter to the office.
When is my rent due? :: The day on which your rent is due is written in your contract. :: If you cannot find
 it, please give me your name, and I will ask the office.
I want to end my contract for the flat. :: You can end the contract for the flat in writing. :: Please look
 up the notice period in your contract first.
There is a water leak in my kitchen. :: I am sorry to hear about the leak in your kitchen. :: Please turn
 off the water if you can and call us now.
My window does not close. :: I have noted that your window does not close. :: Please tell me which room it
 is, and we will set a date for the repair.
My name on the door bell is wrong. :: I am sorry that the name on the bell is wrong. :: Please write the
 right name on this sheet, and we will change it.
Where can I put my bicycle? :: You can ask for a place for your bicycle in the yard or the cellar. :: Please
 give me your name, and I will put you on the list.
May I keep a dog in my flat? :: Whether you may keep a dog depends on your contract. :: Please write to the
 landlord and ask before you get one.
My child is ill and cannot come to school today. :: Thank you for telling us that your child is ill. ::
 Please send a short note when your child comes back.
My daughter will be late for school. :: Thank you for letting us know that your daughter will be late. ::
 Please ask her to come to the office first.
I want to speak to my son's teacher. :: I can help you to find a time with the teacher. :: Please tell me
 the name of the class and two days that suit you.
When does the new school year begin? :: The first day of the school year is on the calendar at the entrance.
 :: I can also send you a copy if you give me your address.
My son lost his jacket at school. :: I am sorry about the lost jacket. :: Please look in the box beside the
 door, and ask me again if it is not there.
How do I sign up my child for the choir? :: There is a form for the choir in this office. :: Please fill it
 in and bring it back by the end of the week.
What must my child bring for the school trip? :: There is a list of things for the school trip. :: I will
 give you a copy, and the teacher can answer further questions.
My daughter needs a copy of her report. :: We can make a copy of the report for your daughter. :: Please
 come to the office with some proof of your name.
I have to change our address at the school. :: I can note the change of your address. :: Please write the
 new address on this form and sign it.
Can I borrow this {obj} from the display? :: I am sorry, the {obj} in the display cannot be borrowed. :: You
 may ask the manager whether there is another one.
How long may I keep a book? :: The date until which you may keep the book is on the slip inside it. :: If
 you need more time, please ask us before that day.
I am late with two books. :: Thank you for telling us about the two late books. :: Please bring them to the
 desk, and we will see whether there is a fee.
The book I want is not on the shelf. :: I am sorry that the book is not on the shelf. :: I can reserve it
 for you; please write down the title.
Can I print something here? :: Yes, there is a printer for visitors beside the desk. :: Please ask me if you
 need help with it, and pay for the pages at the end.
Where are the books for children? :: The books for children are in their own room. :: Please follow the
 yellow signs, or I can walk there with you.
Is there a quiet place to study? :: Yes, we have a reading room that is quiet. :: Please leave your bag in a
 locker before you go in.
I spilled tea on a book. :: Thank you for being honest about the tea on the book. :: Please bring it to the
 desk, and we will look at it together.
Can I become a member? :: Yes, you are welcome to become a member. :: Please bring some proof of your
 address and fill in this form.
May I eat in the reading room? :: I am sorry, eating is not allowed in the reading room. :: You can use the
 tables in the hall for your lunch.
Do you have this {obj} in {col}? :: I will check whether we have the {obj} in {col}. :: Please wait a
 moment, or leave your number and we will call you.
The {obj} that I bought here is broken. :: I am sorry that the {obj} is broken. :: Please show me the
 receipt, and we can repair it or change it.
How much does this {obj} cost? :: The price of the {obj} is on the small label. :: If the label is missing,
 I will ask at the till for you.
Can you wrap this {obj} as a present? :: Yes, we are happy to wrap the {obj} for you. :: Please choose a
 ribbon and wait for five minutes.
I have paid too much for the {obj}. :: I am sorry if there was a mistake with the price of the {obj}. ::
 Please show me the receipt, and I will check it with you.
I need a bigger size of this coat. :: I will look for a bigger size of the coat. :: If we do not have it
 here, we can order it for you.
Can I pay by card? :: Yes, you can pay by card at the till. :: Please keep the receipt in case you want to
 return something.
Where can I try on these trousers? :: You can try on the trousers in the room at the back. :: Please take no
 more than three things with you.
My parcel has not arrived. :: I am sorry that your parcel has not arrived. :: Please give me the number on
 your receipt, and I will look for it.
I want to send a parcel. :: You can send your parcel from this desk. :: Please write the address clearly and
 put the parcel on the scale.
I got a letter that is not for me. :: Thank you for bringing the letter back. :: Please leave it here, and
 we will send it to the right address.
I am moving and want to get my letters at the new address. :: We can send your letters on to the new
 address. :: Please fill in this form and show some proof of your name.
My bank card is lost. :: I am sorry that your bank card is lost. :: Please call the number for lost cards
 now so that the card can be blocked.
I do not understand this bill. :: I will gladly look at the bill with you. :: Please show me which line is
 not clear.
I have got the same bill twice. :: I am sorry that you got the bill twice. :: Please do not pay the second
 one until the office has checked it.
I would like to open an account. :: You can open an account with one of our staff. :: Please bring proof of
 your name and address to the appointment.
Can I leave my suitcase here? :: Yes, you can leave your suitcase at the desk. :: Please keep this ticket,
 because you need it to get the suitcase back.
I left my {obj} on the bus. :: I am sorry that you left your {obj} on the bus. :: Please tell me the line
 and the time, and I will ask the driver.
Did anybody find {a_colobj}? :: I will check whether {a_colobj} has been handed in. :: Please tell me where
 you lost it and leave your number.
Where can I park my car? :: You can park your car behind the building. :: Please take a ticket at the gate
 and put it where it can be seen.
Is there a ramp for a wheelchair? :: Yes, there is a ramp for wheelchairs at the side door. :: Please ring
 the bell there if you need help.
Where is the toilet? :: The toilet is at the end of the hall on the left. :: If the door is locked, please
 ask for the key at the desk.
Can I use your phone? :: Yes, you may use the phone on the desk for a short call. :: Please ask me if you
 need to look up a number.
I have been waiting for a long time. :: I am sorry that you have been waiting for so long. :: Please tell me
 your name, and I will ask when it is your turn.
I am here to see the manager. :: Thank you for coming to see the manager. :: Please tell me your name and
 take a seat while I call.
I would like to make a complaint. :: I am sorry that something went wrong, and I will note your complaint.
 :: Please tell me what happened and when.
I would like to say that the staff were very kind. :: Thank you very much for the kind words about the
 staff. :: I will pass them on, and you may also write them in our book.
I cannot read this small print. :: I can read the small print to you. :: Please sit down, and stop me
 whenever something is not clear.
Could you speak more slowly, please? :: Of course, I will speak more slowly. :: Please tell me which part I
 should say again.
I do not speak the language well. :: That is no problem, we can speak in simple words. :: If you like, I can
 ask whether someone here speaks your language.
I need a copy of this page. :: I can make a copy of the page for you. :: Please wait a moment, it will not
 take long.
I came to the wrong floor. :: That happens often, because the floors look the same. :: Please tell me which
 office you need, and I will show you the way.
Can my sister collect the papers for me? :: Yes, your sister can collect the papers. :: Please give her a
 signed note and some proof of your name.
I have changed my phone number. :: Thank you for telling us about the new phone number. :: Please write it
 on this card, and I will change it in our list.
I would like to book the small hall. :: I can check when the small hall is free. :: Please tell me the date
 and how many people will come.
""")
APPOINTMENTS = _words("""
a check-up, a talk with the teacher, a visit to the flat, a meeting with the clerk, a haircut, a repair, a
 lesson,
a tour of the museum, a talk about my contract, a fitting at the tailor, a visit to the vet with my cat, an
 eye test,
a talk about my account, a piano lesson, a room viewing, a music test, a first talk, a visit to the dentist
""")
CARDS = _words("""
member card, bus card, visitor card, student card, locker key, parking card, lunch card, swimming card,
museum pass, receipt, ticket, claim slip, gate card, reader card
""")
DESKS = _words("""
the library, the school office, the help desk, the shop, the post office, the reception, the town hall,
the swimming pool, the museum, the canteen, the bookshop, the lost-and-found office, the landlord's office,
the ticket office, the reading room, the bank, the bakery, the workshop, the music school, the sports hall
""")
FORMS = _words("""
a new card, a change of address, a school place, a parking place, a repair, a refund, a day off, a new key,
a locker, a swimming course, a library card, a visitor pass, a bus pass, a place in the choir,
a garden plot, a room booking, a copy of my contract, a lost parcel, a school trip, a language course
""")
# What needs an expert: question :: the matter :: whom to ask.
CAUTION = _rows("""
Should I sign this contract? :: the contract :: a lawyer
Can my landlord raise my rent? :: the rent :: a lawyer or a tenants' advice office
Should I take my neighbour to court? :: the dispute with your neighbour :: a lawyer
Will I win my case? :: your case :: a lawyer
How should I write my last will? :: your last will :: a lawyer
Is this letter from the court valid? :: the letter from the court :: a lawyer or the court office
Must I pay this fine? :: the fine :: a lawyer or the office that sent it
Can I break my work contract? :: your work contract :: a lawyer
Who gets the house after a divorce? :: the house :: a lawyer
May I cut the branches of my neighbour's tree? :: the tree :: a lawyer or the town office
Should I lend my brother a large sum? :: the loan to your brother :: a money adviser
Where should I put my savings? :: your savings :: a money adviser
Should I buy a house or rent one? :: buying or renting :: a money adviser
How can I get out of debt? :: the debt :: a debt adviser
Should I take a second loan? :: the second loan :: a money adviser or your bank
What must I write in my tax form? :: your tax form :: a tax adviser
Do I have to pay tax on this present? :: the tax on the present :: a tax adviser
Is this insurance good for me? :: the insurance :: an adviser who knows your case
Should I sell my shares now? :: your shares :: a money adviser
Will I have enough money when I am old? :: your savings for old age :: a money adviser
I have had a headache for days. What is it? :: your headache :: a doctor
My chest hurts. Is it serious? :: the pain in your chest :: a doctor at once
Which pills should I take? :: the pills :: a doctor or a pharmacist
My child has a rash. What should I do? :: the rash :: a doctor
Is this cut deep enough to need stitches? :: the cut :: a doctor
Can I stop taking my tablets? :: your tablets :: your doctor
My grandmother feels dizzy. Why? :: the dizzy feeling :: a doctor
Should I have the operation? :: the operation :: your doctor
I cannot sleep any more. What is wrong with me? :: your sleep :: a doctor
My tooth hurts badly. Do I need treatment? :: your tooth :: a dentist
My eyes are red and sore. What is it? :: your eyes :: a doctor or an eye clinic
Is this mushroom safe to eat? :: the mushroom :: a mushroom expert, and do not eat it
My dog has eaten something strange. Is it bad? :: your dog :: a vet
My cat does not eat. What does she have? :: your cat :: a vet
How do I change the wires of my lamp? :: the wires :: an electrician
There are sparks in the socket. Can I repair it? :: the socket :: an electrician, and keep away from it
Can I put a new fuse box in by myself? :: the fuse box :: an electrician
The switch gets hot. Is that normal? :: the hot switch :: an electrician
May I use this old heater? :: the old heater :: an electrician
I smell gas. What should I repair? :: the smell of gas :: the gas service, and leave the house first
Can I take out this wall? :: the wall :: a builder or an engineer
There is a crack in the ceiling. Is it safe? :: the crack :: a builder or an engineer
Can my balcony hold a pool? :: the balcony :: an engineer
Can I build a second floor on my garage? :: the second floor :: an engineer and the building office
Is this old roof safe to walk on? :: the roof :: a roofer
Can I burn wood in this old stove? :: the stove :: a chimney sweep
The brakes of my car sound strange. Can I drive? :: the brakes :: a garage
Is the ice on the lake thick enough? :: the ice :: the local office, and stay off it
Which plants are safe for my baby to touch? :: the plants :: a doctor or a plant expert
Should I give up my job? :: your job :: a careers adviser and people you trust
""")
SYSTEMS = _lines("""
You are the helper of a library. Be polite and brief.
You are a friendly storyteller. Use simple words and end each story in a kind way.
You work at the front desk of a small hotel. Greet the guests and answer in two or three sentences.
You are the helper of a school office. Speak plainly and never promise what you cannot do.
You are a patient teacher who explains everyday things in short sentences.
You answer questions about a text. Use only what the text says and answer in one full sentence.
You are the receptionist of a clinic. You do not give medical advice. You help with dates, forms and opening
 hours.
You help the tenants of a house. Name the problem, give the next step and stay polite.
You are a careful helper. If something needs an expert, say so clearly.
You work in a shop that sells household goods. Help each customer and offer a next step.
You are a writing helper. Change the text as the user asks and add nothing else.
You are a kind and calm helper who writes plain English.
You are the voice of a lost-and-found office. Ask where and when the thing was lost.
Answer every question in simple words that a child can understand.
You are a helper in a town hall. Explain forms and rules step by step, and never guess.
House rules: be polite, be brief, and do not decide things for the visitor.
You are a helpful assistant. Keep your answers short, and say so when you do not know something.
You help people who are new in town. Use easy words and name the next step.
You tell short stories for children. Each story has a beginning, a problem and a good end.
You are a guide in a museum. Describe things clearly and answer questions with patience.
You work for a landlord. Take note of each report. Do not promise a date. Give the phone number of the
 office only on request.
You help at a bank desk. You do not advise on money. You tell people which form or person they need.
You are a quiet helper for readers. First read the text, then answer from it.
You are a helper at a train station. Be quick, friendly and exact.
You are a language teacher. Correct with care and use full sentences.
You answer letters for a small office. Always thank the writer and say what happens next.
You are a helper for older people. Write clearly, do not hurry, and repeat what matters.
Please answer in a warm tone. Do not use long words. If there is danger, tell the person to call for help.
You are the assistant of a music school. You know the lessons and the rooms, and you are always friendly.
You help with simple writing tasks such as notes, lists and questions.
Be honest, be kind, and keep to the question.
You are a helper at a post office. Explain what the customer needs and where to go.
You describe places and people in a few clear sentences.
You are on duty at the information desk of a law office. You do not give legal advice. You can make
 appointments and take messages.
You are a good listener. Repeat in your answer what the person asked about.
You help the members of a sports club. Answer in no more than three sentences.
""")
LONG_SHORT = _rows("""
I am writing to you because I would like to know when the office opens tomorrow. :: When does the office
 open tomorrow?
Due to the fact that it was raining very hard, we decided to stay at home. :: We stayed at home because it
 rained hard.
It is possible that I may perhaps arrive a little bit later than planned. :: I may arrive a little late.
At this moment in time there is nobody in the room at all. :: Nobody is in the room now.
She made the decision to buy a new coat for herself. :: She decided to buy a new coat.
In the event that you are not able to come, please let us know. :: If you cannot come, please tell us.
There are many people in this town who like to go swimming in the lake. :: Many people in this town like to
 swim in the lake.
He gave an explanation of how the machine works. :: He explained how the machine works.
I want to use this opportunity to say thank you for all of your help. :: Thank you for all your help.
The reason why he was late is that his train did not come on time. :: He was late because of his train.
We would be very happy if you could find the time to visit us on Sunday. :: Please visit us on Sunday.
The shop, which is on the corner, is a shop that sells fresh bread. :: The shop on the corner sells fresh
 bread.
""")
RUDE_POLITE = _rows("""
Give me the key. :: Could you please give me the key?
Be quiet. :: Could you please be a little quieter?
Wait. :: Please wait a moment.
Send me the form. :: Could you please send me the form?
What do you want? :: How can I help you?
Close the door. :: Would you please close the door?
I want a cup of tea. :: I would like a cup of tea, please.
You are late again. :: It would be kind if you could come on time.
Move your car. :: Could you please move your car a little?
That is wrong. :: I think there may be a small mistake.
Tell me your name. :: May I ask your name, please?
Do it now. :: Could you please do it as soon as you can?
I cannot hear you. Speak up. :: I am sorry, could you please speak a little louder?
Go away. :: Please give me a moment on my own.
Call me tomorrow. :: Could you please call me tomorrow?
Bring the receipt. :: Please be so kind as to bring the receipt.
Not today. :: I am afraid that it is not possible today.
Sit there. :: Please take a seat over there.
Answer my letter. :: I would be thankful for an answer to my letter.
Help me with the boxes. :: Would you please help me with the boxes?
""")
# Reading tasks: a text :: question :: answer :: question :: answer ...
READING = _rows("""
The {shop} opens at {t1} and closes at {t2}. On {day} it is closed. :: When does the {shop} open? :: The
 {shop} opens at {t1}. :: When does the {shop} close? :: The {shop} closes at {t2}. :: On which day is it
 closed? :: It is closed on {day}.
{N} lost {a_colobj} {place}. {S} noticed it on {day} at {t1}. If you find it, please call {H}. :: What did
 {N} lose? :: {N} lost {a_colobj}. :: Where did {N} lose it? :: {N} lost it {place}. :: Whom should you
 call? :: You should call {H}. :: What colour is the {obj}? :: The {obj} is {col}. :: When did {N} notice
 it? :: {N} noticed it on {day} at {t1}.
Dear {N}, your appointment is on {day} at {t1} in room {n}. Please bring {a_obj}. :: When is the
 appointment? :: The appointment is on {day} at {t1}. :: In which room is the appointment? :: The
 appointment is in room {n}. :: What should {N} bring? :: {N} should bring {a_obj}.
A parcel for {N} came on {day}. It is {place} now. {H} has signed for it. :: For whom is the parcel? :: The
 parcel is for {N}. :: When did the parcel come? :: The parcel came on {day}. :: Where is the parcel now? ::
 The parcel is {place} now. :: Who has signed for the parcel? :: {H} has signed for the parcel.
The rent for the flat is {n100} coins a month. It must be paid by {day}. {N} collects it at the {shop}. ::
 How much is the rent? :: The rent is {n100} coins a month. :: By when must the rent be paid? :: The rent
 must be paid by {day}. :: Who collects the rent? :: {N} collects the rent.
{N} bought {n} {food} and {n2} {food2} at the market. {S} paid {n100} coins for everything. :: How many
 {food} did {N} buy? :: {N} bought {n} {food}. :: How many {food2} did {N} buy? :: {N} bought {n2} {food2}.
 :: How much did {N} pay? :: {N} paid {n100} coins for everything.
Note for {N}: {H} called at {t1}. The meeting has been moved from {day} to {day2}. The room is the same. ::
 Who called? :: {H} called. :: To which day has the meeting been moved? :: The meeting has been moved to
 {day2}. :: When did {H} call? :: {H} called at {t1}.
The train to {town} leaves at {t1} from platform {n}. The trip takes {n2} hours. :: When does the train
 leave? :: The train to {town} leaves at {t1}. :: From which platform does the train leave? :: The train
 leaves from platform {n}. :: How long does the trip take? :: The trip takes {n2} hours. :: Where does the
 train go? :: The train goes to {town}.
{N} did not come on {day}, because {s} {was} {reason}. {H} did the work instead. :: Why did {N} not come? ::
 {N} did not come because {s} {was} {reason}. :: Who did the work instead? :: {H} did the work instead. ::
 When did {N} not come? :: {N} did not come on {day}.
{N} has {a_colobj}, and {H} has {a_colobj2}. Both bought them in {town}. :: Who has the {col} {obj}? :: {N}
 has the {col} {obj}. :: What does {H} have? :: {H} has {a_colobj2}. :: Where did they buy them? :: They
 bought them in {town}. :: What colour is the {obj2}? :: The {obj2} is {col2}.
The lesson begins at {t1} {place}. {N} will teach it, and {n} people have signed up. :: Who will teach the
 lesson? :: {N} will teach the lesson. :: How many people have signed up? :: {Ncap} people have signed up.
 :: Where does the lesson take place? :: The lesson takes place {place}. :: When does the lesson begin? ::
 The lesson begins at {t1}.
On {day} {N} {past}. After that, {s} met {H} {place}. :: What did {N} do on {day}? :: On {day} {N} {past}.
 :: Whom did {N} meet? :: {N} met {H}. :: Where did they meet? :: They met {place}.
Found: {a_colobj}. It was {place}. The owner can get it at the {shop} until {day}. :: What was found? ::
 Somebody found {a_colobj}. :: Where was it found? :: It was found {place}. :: Where can the owner get it?
 :: The owner can get it at the {shop}. :: Until when can the owner get it? :: The owner can get it until
 {day}.
{N} is {age} years old and lives in {town}. {S} {works} as {a_job}. :: How old is {N}? :: {N} is {age} years
 old. :: Where does {N} live? :: {N} lives in {town}. :: What is {N}'s job? :: {N} works as {a_job}.
The water will be turned off on {day} from {t1} to {t2}. A pipe {place} must be repaired. If you have
 questions, ask {N}. :: Why will the water be turned off? :: The water will be turned off because a pipe
 must be repaired. :: On which day will the water be turned off? :: The water will be turned off on {day}.
 :: Whom can you ask? :: You can ask {N}. :: Where is the pipe? :: The pipe is {place}.
Our house has {n} flats. {N} lives on the first floor, and {H} lives on the second floor. The cellar door is
 {col}. :: How many flats does the house have? :: The house has {n} flats. :: Who lives on the second floor?
 :: {H} lives on the second floor. :: Who lives on the first floor? :: {N} lives on the first floor. :: What
 colour is the cellar door? :: The cellar door is {col}.
Dear guests, breakfast is served from {t1} on. The key must be left {place}. Your host is {N}. :: When is
 breakfast served? :: Breakfast is served from {t1} on. :: Where must the key be left? :: The key must be
 left {place}. :: Who is the host? :: The host is {N}.
{N} gave {H} {a_colobj} on {day}. {H} was {glad}, because the old {obj} was broken. :: What did {N} give to
 {H}? :: {N} gave {H} {a_colobj}. :: Why was {H} {glad}? :: {H} was {glad} because the old {obj} was broken.
 :: When did {H} get the {obj}? :: {H} got the {obj} on {day}. :: Who gave the {obj} to {H}? :: {N} gave the
 {obj} to {H}.
The bus number {n} goes to {town}. It stops {place}. The first bus comes at {t1}. :: Which bus goes to
 {town}? :: Bus number {n} goes to {town}. :: Where does the bus stop? :: The bus stops {place}. :: When
 does the first bus come? :: The first bus comes at {t1}.
Please feed my cat on {day} and {day2}. The food is {place}. The cat is {col} and its name is {pet}. Thank
 you, {N}. :: What is the name of the cat? :: The name of the cat is {pet}. :: Where is the food? :: The
 food is {place}. :: Who wrote the note? :: {N} wrote the note. :: What colour is the cat? :: The cat is
 {col}. :: On which days does the cat need food? :: The cat needs food on {day} and {day2}.
Three people work in the office. {N} answers the phone, {H} writes the letters, and {K} keeps the lists.
 They begin at {t1}. :: Who answers the phone? :: {N} answers the phone. :: Who writes the letters? :: {H}
 writes the letters. :: Who keeps the lists? :: {K} keeps the lists. :: When do they begin? :: They begin at
 {t1}.
The concert in {town} is on {day}. A ticket costs {n2} coins. {N} plays the {inst}. :: Where is the concert?
 :: The concert is in {town}. :: What does {N} play? :: {N} plays the {inst}. :: How much does a ticket
 cost? :: A ticket costs {n2} coins. :: When is the concert? :: The concert is on {day}.
{N} waited for {H} {place}. At {t1} {H} came and brought {a_obj}. Then they went to {town} together. ::
 Where did {N} wait? :: {N} waited {place}. :: What did {H} bring? :: {H} brought {a_obj}. :: When did {H}
 come? :: {H} came at {t1}. :: Where did they go together? :: They went to {town} together.
The book belongs to {N}. {H} borrowed it on {day} and must bring it back on {day2}. It has a {col} cover. ::
 To whom does the book belong? :: The book belongs to {N}. :: Who borrowed the book? :: {H} borrowed the
 book. :: When must the book come back? :: The book must come back on {day2}. :: What colour is the cover?
 :: The cover is {col}.
In the class there are {n} girls and {n2} boys. Their teacher is {N}. On {day} they will visit a farm near
 {town}. :: How many girls are in the class? :: There are {n} girls in the class. :: How many boys are in
 the class? :: There are {n2} boys in the class. :: Who is the teacher? :: The teacher is {N}. :: What will
 they visit? :: They will visit a farm near {town}.
The office of {N} is on floor {n}. Visitors may come on {day} from {t1} to {t2}. Forms lie {place}. :: On
 which floor is the office? :: The office of {N} is on floor {n}. :: When may visitors come? :: Visitors may
 come on {day} from {t1} to {t2}. :: Where do the forms lie? :: The forms lie {place}.
{N} put the {obj} {place}, and {H} put the {obj2} {place2}. In the evening both things were still there. ::
 Where is the {obj}? :: The {obj} is {place}. :: Where is the {obj2}? :: The {obj2} is {place2}. :: Who put
 the {obj} there? :: {N} put the {obj} {place}.
For sale: {a_colobj} for {n100} coins. It is {n2} years old. Please call {N} after {t1}. :: What is for
 sale? :: For sale is {a_colobj}. :: How much does it cost? :: It costs {n100} coins. :: Whom should you
 call? :: You should call {N}. :: How old is the {obj}? :: The {obj} is {n2} years old.
""")
TOWNS = _words("""
Lowbridge, Elmford, Stonewick, Marlow Bay, Greenfield, Old Harbour, Westmoor, Birchdale, Sandholm, Riverton,
Oakhill, Millbrook, Northfield, Fairwater, Redcliff, Ashby, Brookside, Highgate, Clearwater, Linden
""")
REASONS = _words("ill, tired, on a trip, at a wedding, late for the bus, busy at home, away on leave")
PETS = _words("Muffin, Pepper, Shadow, Biscuit, Smoky, Ginger, Velvet, Pumpkin, Button, Cloud")
INSTRUMENTS = _words("piano, flute, violin, drum, guitar, trumpet, harp, cello")
SHOPS = _words("""
shop, library, bakery, bank, post office, museum, school office, swimming pool, bookshop, flower shop, town
 hall,
market hall, cinema, ticket office, clinic, shoe shop, canteen, workshop
""")
