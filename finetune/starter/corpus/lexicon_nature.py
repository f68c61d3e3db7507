"""Nouns of nature and food: animals, plants, things to eat and drink, weather, land and materials.

Each table maps a kind to lines of ``word | definition``. A leading ``~`` marks a mass noun (no article), a leading
``+`` marks a noun that is always plural.
"""

from __future__ import annotations

TABLES: dict[str, str] = {
    "animal": """
dog | a loyal pet that barks and likes to play
cat | a soft pet that purrs and catches mice
cow | a large farm animal that gives milk
horse | a strong animal that people can ride
sheep | a farm animal with a thick woolly coat
goat | a farm animal with horns that eats almost anything
pig | a pink farm animal with a flat nose
donkey | a grey animal with long ears that carries loads
rabbit | a small furry animal with long ears that hops
hamster | a tiny round pet that stores food in its cheeks
mouse | a very small animal with a long thin tail
rat | an animal like a mouse, but bigger
squirrel | a small animal with a bushy tail that collects nuts
hedgehog | a small animal covered in sharp spines
fox | a wild animal with red fur and a bushy tail
wolf | a wild animal that looks like a large dog
bear | a big heavy wild animal with thick fur
lion | a large wild cat with a loud roar
tiger | a large wild cat with dark stripes
leopard | a wild cat with dark spots on its coat
elephant | a huge grey animal with a long trunk
giraffe | a very tall animal with a long neck
zebra | an animal like a horse with black and white stripes
camel | a desert animal with a hump on its back
monkey | a clever animal that climbs trees
gorilla | a very large and strong ape
kangaroo | an animal that jumps and carries its baby in a pouch
koala | a grey furry animal that lives in gum trees
panda | a black and white animal that eats bamboo
deer | a shy animal that runs fast and lives in forests
moose | a very large deer with wide flat antlers
badger | a striped animal that digs holes at night
otter | a playful animal that swims in rivers
beaver | an animal that builds dams from sticks
bat | a small flying animal that comes out at night
mole | a small animal that digs tunnels under the ground
frog | a small green animal that jumps and lives near water
toad | an animal like a frog with dry bumpy skin
snake | a long thin animal with no legs
lizard | a small animal with four legs and a long tail
tortoise | a slow animal with a hard shell that lives on land
turtle | an animal with a shell that swims in the sea
crocodile | a large animal with sharp teeth that lives in rivers
hippo | a huge animal that spends the day in water
rhino | a heavy animal with a horn on its nose
whale | the largest animal in the sea
dolphin | a clever sea animal that leaps out of the water
seal | a sea animal with thick fur that rests on rocks
walrus | a large sea animal with two long tusks
octopus | a soft sea animal with eight long arms
crab | a sea animal with a hard shell and two claws
lobster | a sea animal with a long body and big claws
jellyfish | a soft clear sea animal that can sting
starfish | a flat sea animal shaped like a star
snail | a slow soft animal with a shell on its back
slug | a slow soft animal with no shell
worm | a long soft animal that lives in the soil
spider | a small creature with eight legs that spins webs
puppy | a young dog
kitten | a young cat
lamb | a young sheep
calf | a young cow
foal | a young horse
piglet | a young pig
tadpole | a young frog with a tail that lives in water
pony | a small kind of horse
bull | a male cow
mule | an animal with a horse and a donkey for parents
reindeer | a deer that lives in cold northern lands
cheetah | a wild cat that runs faster than any other animal
""",
    "bird": """
robin | a small brown bird with a red breast
sparrow | a small brown bird often seen in towns
pigeon | a plump grey bird that lives in cities
crow | a large black bird with a harsh call
eagle | a large hunting bird with very sharp eyes
owl | a bird with big eyes that hunts at night
hen | a female bird that lays eggs on a farm
rooster | a male farm bird that crows in the morning
duck | a bird that swims on ponds and quacks
goose | a large water bird with a long neck
swan | a large white water bird with a curved neck
turkey | a large farm bird that makes a gobbling sound
parrot | a bright bird that can copy words
penguin | a black and white bird that swims but cannot fly
ostrich | a very large bird that runs but cannot fly
peacock | a bird with a huge colourful tail
flamingo | a tall pink bird with long thin legs
gull | a white and grey bird that lives by the sea
woodpecker | a bird that taps holes in trees
chick | a young hen
duckling | a young duck
stork | a tall white bird with a long bill
swallow | a quick bird with a forked tail
hawk | a hunting bird with strong claws
raven | a large black bird with a thick beak
""",
    "fish": """
shark | a large fish with many sharp teeth
salmon | a pink-fleshed fish that swims up rivers
trout | a spotted fish that lives in cool rivers
goldfish | a small orange fish often kept as a pet
tuna | a large fast fish that lives in the ocean
cod | a large white-fleshed fish of cold seas
eel | a long thin fish shaped like a snake
herring | a small silver fish that swims in big groups
carp | a heavy fish that lives in ponds and lakes
""",
    "insect": """
bee | a flying insect that makes honey
ant | a tiny insect that lives and works in a large group
butterfly | an insect with large colourful wings
moth | an insect like a butterfly that flies at night
fly | a small insect that buzzes around food
wasp | a yellow and black insect with a sting
mosquito | a tiny flying insect that bites people
beetle | an insect with a hard shiny back
ladybird | a small red insect with black spots
grasshopper | a green insect with long legs that jumps
cricket | a jumping insect that chirps at night
dragonfly | a long thin insect that flies over ponds
caterpillar | a young butterfly that crawls and eats leaves
flea | a tiny jumping insect that lives on animals
""",
    "tree": """
oak | a strong tree that grows acorns
pine | a tall tree with needles and cones
willow | a tree with long hanging branches near water
birch | a thin tree with pale papery bark
maple | a tree with wide leaves that turn red
palm | a tall tree with big leaves only at the top
fir | an evergreen tree with flat soft needles
elm | a tall shady tree with rough leaves
chestnut | a tree with shiny brown nuts
""",
    "flower": """
rose | a sweet-smelling flower with thorns on its stem
daisy | a small white flower with a yellow centre
tulip | a spring flower shaped like a cup
daffodil | a yellow spring flower with a trumpet shape
sunflower | a very tall yellow flower with seeds you can eat
lily | a large flower with a strong sweet smell
poppy | a bright red flower that grows in fields
violet | a small purple flower with a sweet smell
orchid | an unusual flower that is often grown indoors
buttercup | a small shiny yellow wild flower
""",
    "plant": """
bush | a low plant with many branches
fern | a green plant with feathery leaves and no flowers
cactus | a desert plant with sharp spines
vine | a climbing plant that may bear grapes
nettle | a wild plant with leaves that sting
thistle | a prickly plant with purple flowers
weed | a wild plant that grows where nobody wants it
herb | a plant used to give flavour to food
hedge | a row of bushes that makes a kind of wall
~ivy | an evergreen plant that climbs up walls
~moss | a soft green plant that grows on damp stones
~grass | a green plant that covers lawns and fields
~bamboo | a tall plant with hollow woody stems
~clover | a small plant with three round leaves
~heather | a low plant with tiny purple flowers
~lavender | a purple plant with a calm sweet smell
~seaweed | a plant that grows in the sea
""",
    "plant part": """
leaf | a flat green part of a plant
root | the part of a plant that grows under the ground
stem | the long thin part that holds up a flower
branch | an arm of a tree that grows from the trunk
twig | a small thin branch
petal | one of the coloured parts of a flower
seed | a small thing from which a new plant grows
thorn | a sharp point on the stem of a plant
bud | a flower or leaf that has not opened yet
acorn | the small hard nut of an oak tree
~bark | the rough outer skin of a tree
~pollen | the fine yellow dust inside flowers
stump | the part left in the ground after a tree is cut
""",
    "fruit": """
apple | a round crisp fruit that is red or green
banana | a long yellow fruit with soft white flesh
orange | a round juicy fruit with a thick bright peel
pear | a sweet green fruit with a wide bottom
plum | a small soft purple fruit with a stone inside
peach | a soft fruit with fuzzy skin
cherry | a small round red fruit with a stone
grape | a small round fruit that grows in bunches
strawberry | a soft red fruit with tiny seeds outside
raspberry | a soft red fruit made of many small parts
blackberry | a dark soft fruit that grows on thorny bushes
blueberry | a small round blue fruit
lemon | a sour yellow fruit
lime | a small sour green fruit
melon | a large round fruit with a lot of juice
pineapple | a large sweet fruit with rough skin and spiky leaves
mango | a sweet orange-fleshed fruit from hot countries
coconut | a large hard brown fruit with white flesh
kiwi | a small brown fruit with green flesh inside
fig | a soft sweet fruit full of tiny seeds
date | a sweet brown fruit that grows on palm trees
apricot | a small soft orange fruit with a stone
""",
    "vegetable": """
carrot | a long orange vegetable that grows under the ground
potato | a round brown vegetable that grows under the ground
onion | a round vegetable with many layers and a strong smell
cabbage | a large round vegetable made of green leaves
cucumber | a long green vegetable eaten in salads
leek | a long white and green vegetable like an onion
turnip | a round pale root vegetable
radish | a small red root vegetable with a hot taste
pumpkin | a large round orange vegetable
pea | a tiny round green vegetable that grows in a pod
bean | a seed vegetable that grows in a long pod
beetroot | a dark red root vegetable
parsnip | a sweet pale root vegetable shaped like a carrot
~celery | a crunchy vegetable with long green stalks
~spinach | a vegetable with dark green leaves
~lettuce | a leafy green vegetable used in salads
~broccoli | a green vegetable that looks like a small tree
~cauliflower | a vegetable with a round white head
~garlic | a small white bulb with a very strong taste
~asparagus | a vegetable with long thin green spears
""",
    "food": """
~bread | a food baked from flour and water
~rice | a food made of small white grains
~pasta | a food made from flour and shaped into pieces
~cheese | a firm food made from milk
~butter | a soft yellow food made from cream
~yogurt | a thick sour food made from milk
~cream | the thick part of milk
~honey | a sweet sticky food made by bees
~jam | a sweet spread made from fruit and sugar
~sugar | a sweet white food that dissolves in water
~salt | a white powder that gives food more taste
~pepper | a hot dark powder put on food
~flour | a fine powder made from wheat
~oil | a smooth liquid used for frying
~vinegar | a sour liquid used on salads
~soup | a hot liquid food made with vegetables or meat
~stew | a thick dish cooked slowly in a pot
~porridge | a warm breakfast made from oats
~cereal | a dry breakfast eaten with milk
~toast | bread that has been heated until brown
~chocolate | a sweet brown food made from cocoa
~meat | food that comes from the body of an animal
~beef | meat that comes from a cow
~pork | meat that comes from a pig
~bacon | salted meat cut in thin slices
~ham | salted meat from the leg of a pig
~chicken | meat from a hen
~mustard | a hot yellow sauce
~ketchup | a thick red sauce made from tomatoes
~gravy | a brown sauce made from meat juice
~dough | a soft mix of flour and water for baking
~ice cream | a sweet frozen food made from cream
~popcorn | corn that has burst open in the heat
~cinnamon | a sweet brown spice made from bark
~ginger | a hot root used in cooking
~wheat | a tall grass whose grains are made into flour
~corn | a plant with sweet yellow grains
~oats | a grain used to make porridge
egg | an oval food laid by a hen
cake | a sweet soft food baked for birthdays
biscuit | a small flat crisp sweet food
pie | a baked dish with a pastry crust and a filling
pancake | a thin flat cake cooked in a pan
sandwich | two slices of bread with a filling between them
sausage | minced meat in a long thin skin
pizza | a flat round bread with sauce and cheese on top
salad | a cold dish of mixed raw vegetables
omelette | a dish of beaten eggs cooked in a pan
burger | a round flat piece of meat in a bun
bun | a small round bread
loaf | a whole piece of bread before it is sliced
tomato | a soft round red food used in salads and sauces
mushroom | a soft food with a cap that grows in damp places
nut | a dry seed in a hard shell
walnut | a wrinkled nut in a hard round shell
almond | a flat oval nut with a sweet taste
peanut | a small nut that grows under the ground
raisin | a small dried grape
olive | a small oval salty fruit used for oil
waffle | a crisp cake with a pattern of squares
muffin | a small soft cake baked in a paper cup
noodle | a long thin strip of cooked dough
dumpling | a ball of dough cooked in soup or stew
pickle | a vegetable kept in vinegar
snack | a small amount of food eaten between meals
dessert | a sweet dish eaten at the end of a meal
+crisps | thin salty slices of fried potato
""",
    "drink": """
~water | a clear liquid that falls as rain and fills rivers
~milk | a white liquid that comes from cows
~tea | a hot drink made from dried leaves
~coffee | a dark hot drink made from roasted beans
~juice | the liquid that comes out of fruit
~lemonade | a sweet drink made with lemons
~cocoa | a warm sweet drink that tastes of chocolate
~wine | a drink made from grapes for adults
~beer | a bitter drink made from grain for adults
~cider | a drink made from pressed apples
milkshake | a cold sweet drink of milk and fruit
smoothie | a thick drink of blended fruit
""",
    "kind of weather": """
~rain | water that falls from the clouds in drops
~snow | soft white flakes of ice that fall from the sky
~hail | small hard balls of ice that fall from clouds
~fog | a thick cloud close to the ground
~mist | a thin cloud of tiny water drops near the ground
~wind | air that moves quickly
~frost | thin white ice that forms on cold nights
~sunshine | the light and warmth of the sun
~drizzle | very light rain with tiny drops
~sleet | a cold mix of rain and snow
~thunder | the loud noise heard in a storm
~lightning | a bright flash in the sky during a storm
storm | very bad weather with strong wind and rain
breeze | a light and gentle wind
shower | a short fall of rain
blizzard | a heavy storm of snow and wind
heatwave | a long time of very hot weather
hurricane | a huge storm with violent winds
tornado | a spinning column of very strong wind
drought | a long time with no rain
""",
    "part of nature": """
river | a long stream of water that flows to the sea
lake | a large area of water with land all around it
sea | a very large area of salt water
ocean | one of the largest areas of salt water on the earth
pond | a small area of still water
stream | a small narrow river
waterfall | a place where a river falls from a height
mountain | a very high piece of land
hill | a piece of high land lower than a mountain
valley | the low land between two hills
forest | a large area covered with trees
wood | a small forest
jungle | a thick forest in a hot wet country
desert | a dry place with sand and very little rain
island | a piece of land with water all around it
beach | a flat area of sand beside the sea
coast | the land next to the sea
cliff | a high steep wall of rock
cave | a large hole in the side of a hill
field | an open piece of land with grass or crops
meadow | a field full of grass and wild flowers
swamp | an area of soft wet land
volcano | a mountain that can throw out hot melted rock
glacier | a huge slow river of ice
wave | a moving ridge of water on the sea
tide | the rise and fall of the sea each day
cloud | a white or grey mass of tiny drops in the sky
rainbow | a curve of colours in the sky after rain
sky | the space above us where clouds float
sun | the star that gives us light and heat
moon | the round body that moves around the earth
star | a bright point of light in the night sky
planet | a large round body that moves around a star
comet | a ball of ice with a bright tail in space
horizon | the line where the land and sky seem to meet
shadow | a dark shape made when something blocks the light
puddle | a small pool of rain water on the ground
iceberg | a huge piece of ice floating in the sea
earthquake | a sudden strong shaking of the ground
flood | a large amount of water covering dry land
avalanche | a mass of snow that slides down a mountain
nest | a home that a bird builds for its eggs
web | a net that a spider spins to catch insects
burrow | a hole in the ground where an animal lives
hive | a home for bees
feather | one of the soft light things covering a bird
shell | the hard outer cover of a snail or an egg
claw | a sharp curved nail on the foot of an animal
paw | the soft foot of a cat or dog
beak | the hard pointed mouth of a bird
wing | the part of a bird used for flying
tail | the part at the back end of an animal
horn | a hard pointed growth on the head of an animal
hoof | the hard foot of a horse or cow
fin | the flat part that helps a fish swim
pebble | a small smooth round stone
~mud | soft wet earth
~soil | the earth in which plants grow
~sand | the tiny grains that cover a beach
~ice | water that has frozen hard
~air | the mix of gases that we breathe
~smoke | the grey cloud that rises from a fire
~fire | the heat, light and flames of something burning
~steam | the hot cloud that rises from boiling water
~dust | fine dry dirt in the air or on furniture
~fur | the thick soft hair of an animal
~nature | all the plants, animals and land around us
~wildlife | animals and plants that live in the wild
""",
    "material": """
~iron | a strong heavy metal used for gates and tools
~steel | a very strong metal made from iron
~gold | a yellow metal that costs a lot of money
~silver | a shiny grey metal used for rings and spoons
~copper | a reddish metal used in wires
~tin | a soft silvery metal used to cover cans
~lead | a soft and very heavy grey metal
~bronze | a brown metal made from copper and tin
~glass | a hard clear material used in windows
~plastic | a light material that can be made in any shape
~rubber | a soft material that bends and bounces
~leather | a strong material made from animal skin
~cotton | a soft cloth made from a white plant
~wool | a warm thread made from the coat of a sheep
~silk | a smooth shiny cloth made by a kind of worm
~paper | thin sheets used for writing and printing
~cardboard | a thick stiff kind of paper used for boxes
~clay | soft heavy earth used to make pots
~concrete | a hard building material of cement, sand and stones
~cement | a grey powder that turns hard with water
~timber | wood that is cut for building
~wax | a soft material used to make candles
~coal | a black rock that burns and gives heat
~marble | a smooth hard stone used for floors
~fabric | cloth made by weaving threads
~velvet | a soft thick cloth that feels smooth
~petrol | a liquid that makes cars run
~gas | something like air that has no fixed shape
~chalk | a soft white rock used for writing
~ink | a coloured liquid used in pens
~glue | a sticky liquid that joins things together
~paint | a coloured liquid that is put on walls
~straw | dry yellow stems of wheat
~string | thin rope used for tying things
~thread | a very thin string used for sewing
~foam | a mass of tiny bubbles
""",
}
