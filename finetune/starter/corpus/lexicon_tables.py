"""Small fact tables: colours, places, animals, jobs, tools, capitals, plurals, reasons, how-to steps and sizes."""

from __future__ import annotations

# word | sound verb phrase | home | food | legs
ANIMAL_FACTS: str = """
dog | barks | kennel or a house | meat and dog food | 4
cat | meows | house | fish and meat | 4
cow | moos | barn | grass and hay | 4
horse | neighs | stable | hay and oats | 4
sheep | bleats | field | grass | 4
goat | bleats | farm | grass and leaves | 4
pig | grunts | sty | grain and vegetables | 4
donkey | brays | stable | hay and grass | 4
rabbit | - | burrow | grass and carrots | 4
hamster | squeaks | cage | seeds and grain | 4
mouse | squeaks | hole | seeds and cheese | 4
rat | squeaks | hole | almost anything | 4
squirrel | chatters | tree | nuts and seeds | 4
hedgehog | snuffles | garden | insects and worms | 4
fox | yelps | den | mice and rabbits | 4
wolf | howls | den in the forest | deer and rabbits | 4
bear | growls | den | fish, berries and honey | 4
lion | roars | grassy plain | meat | 4
tiger | roars | jungle | meat | 4
leopard | growls | forest | meat | 4
elephant | trumpets | warm grassy land | leaves, grass and fruit | 4
giraffe | - | grassy plain | leaves from tall trees | 4
zebra | - | grassy plain | grass | 4
camel | grunts | desert | dry grass and leaves | 4
monkey | chatters | jungle | fruit and nuts | 4
gorilla | grunts | jungle | leaves and fruit | 4
kangaroo | - | dry grassy land | grass | 4
koala | - | gum tree | leaves | 4
panda | - | mountain forest | bamboo | 4
deer | - | forest | leaves and grass | 4
badger | - | burrow | worms and roots | 4
otter | whistles | river | fish | 4
beaver | - | river | bark and twigs | 4
bat | squeaks | cave | insects and fruit | 2
mole | - | tunnel | worms | 4
frog | croaks | pond | insects | 4
toad | croaks | damp garden | insects and slugs | 4
snake | hisses | hole | mice and frogs | 0
lizard | - | warm rocky place | insects | 4
tortoise | - | dry warm place | leaves | 4
turtle | - | sea | plants and jellyfish | 4
crocodile | - | river | fish and meat | 4
hippo | grunts | river | grass | 4
rhino | - | grassy plain | grass and leaves | 4
whale | sings | sea | tiny sea animals and fish | 0
dolphin | clicks and whistles | sea | fish | 0
seal | barks | cold sea | fish | 0
octopus | - | sea | crabs | 0
crab | - | beach | tiny plants and animals | 10
snail | - | garden | leaves | 0
worm | - | hole in the soil | dead leaves | 0
spider | - | web | insects | 8
robin | sings | nest | worms and insects | 2
sparrow | chirps | nest | seeds | 2
pigeon | coos | town | seeds and crumbs | 2
crow | caws | tall tree | almost anything | 2
eagle | screeches | nest on a high cliff | small animals and fish | 2
owl | hoots | hollow tree | mice | 2
hen | clucks | hen house | grain | 2
rooster | crows | hen house | grain | 2
duck | quacks | pond | water plants and insects | 2
goose | honks | farm | grass | 2
turkey | gobbles | farm | grain and seeds | 2
parrot | squawks | warm forest | fruit and seeds | 2
penguin | - | cold icy coast | fish | 2
ostrich | - | grassy plain | plants and seeds | 2
bee | buzzes | hive | nectar from flowers | 6
ant | - | nest under the ground | seeds and crumbs | 6
butterfly | - | garden | nectar from flowers | 6
fly | buzzes | house | old food | 6
wasp | buzzes | nest | insects and sweet things | 6
cricket | chirps | field | plants | 6
shark | - | sea | fish | 0
goldfish | - | bowl or a pond | fish flakes | 0
"""

COLOURS: str = """
red: strawberry, tomato, cherry, raspberry, poppy, fire engine, radish, ladybird, ketchup, blood
orange: carrot, orange, pumpkin, apricot, goldfish, mango, tiger
yellow: banana, lemon, sunflower, daffodil, sun, butter, mustard, chick, buttercup, corn
green: grass, leaf, frog, cucumber, pea, cactus, lettuce, broccoli, spinach, lime, moss, grasshopper, ivy, cabbage,
 celery, fern, clover, bush, hedge
blue: sky, sea, ocean, blueberry
purple: plum, violet, lavender, thistle, heather
pink: pig, flamingo, tongue, piglet
white: snow, milk, swan, salt, sugar, flour, daisy, rice, cream, cauliflower, chalk, tooth, bone, yogurt, garlic, egg
black: crow, coal, raven, tyre, ink, pepper
brown: chocolate, coffee, potato, mud, bark, sparrow, chestnut, coconut, walnut, bear, toast, cinnamon, cocoa,
 gravy, acorn, leather, almond, otter, raisin, loaf
grey: elephant, pigeon, mouse, cement, fog, smoke, donkey, rhino, concrete, steel, dolphin, koala, iron, hippo, wolf
black and white: zebra, panda, penguin, football
"""

# place phrase : things kept or used there
WHERE: str = """
in the kitchen: pan, pot, kettle, oven, stove, fridge, freezer, toaster, blender, sink, ladle, sieve, grater, whisk,
 apron, teapot, bowl, plate, cup, mug, jug, dishwasher
in a kitchen drawer: spoon, fork, knife
in the bathroom: soap, shampoo, toothpaste, toothbrush, towel, sponge
in the bedroom: bed, pillow, blanket, mattress, wardrobe, sheet, bunk
in the living room: sofa, armchair, television, rug, cushion, bookcase
in a wardrobe: shirt, coat, jacket, dress, skirt, suit, blouse, uniform, jumper, trousers
in a shoe rack by the door: shoe, boot, sandal
in a drawer: sock, glove, scarf, pyjamas, vest, battery, candle
in the fridge: milk, butter, cheese, yogurt, cream, ham, juice
in a kitchen cupboard: flour, sugar, salt, rice, pasta, cereal, honey, jam, tea, coffee, cocoa, biscuit, oats
in the freezer: ice, ice cream
in a fruit bowl: apple, banana, orange, pear, plum, peach, grape
in a tool box: hammer, screwdriver, spanner, drill, pliers, chisel, file, screw, nail
in the garden shed: spade, shovel, rake, hoe, wheelbarrow, trowel, shears, axe, ladder
in a cleaning cupboard: broom, mop, bucket, vacuum cleaner
in a pencil case: pencil, pen, eraser, crayon, ruler
on a desk: computer, laptop, keyboard, screen, printer, stapler, lamp, calendar
in the garage: car, bicycle, motorbike, scooter
in a stable: horse, pony, saddle
in a music room: violin, piano, guitar, cello, flute, trumpet, drum, harp, clarinet, xylophone, trombone
in a purse: coin, banknote
in a wallet: cash, licence
in a safe place at home: passport, contract, will, jewellery, necklace
in a folder: document, invoice, receipt, bill
in a toy box: ball, doll, puzzle, teddy bear, puppet, yo-yo, kite
in a first-aid kit: bandage, plaster, tweezers
in a library: book, magazine, newspaper, dictionary
at a harbour: boat, ship, ferry, yacht, anchor
at an airport: aeroplane
on a farm: tractor, cow, sheep, pig, hen
in a school: classroom, blackboard, pupil, globe
on a playground: swing, slide
in a hospital: nurse, patient, ward, stretcher, surgeon
in a court: judge, jury, witness
in the sky: cloud, star, moon, rainbow, sun
in a sewing box: needle, thread, button
in a jewel case: ring, bracelet
"""

# job | what the person does
JOBS: str = """
teacher | helps pupils learn new things
farmer | grows crops and looks after animals
baker | bakes bread, rolls and cakes
butcher | cuts and sells meat
cook | prepares meals in a kitchen
waiter | takes orders and brings food to the table
driver | takes people or goods from place to place
pilot | flies aeroplanes
sailor | works on a ship at sea
dentist | looks after the teeth of patients
doctor | looks after people who are ill
nurse | cares for patients in a hospital or clinic
surgeon | does operations in a hospital
vet | looks after sick animals
pharmacist | prepares and sells medicine
plumber | fixes pipes and taps
electrician | repairs wires, sockets and lights
carpenter | makes and mends things of wood
builder | builds houses and walls
painter | paints walls, doors or pictures
mechanic | repairs cars and engines
engineer | plans bridges, roads and machines
architect | draws the plans for new buildings
gardener | plants flowers and cuts the grass
florist | sells flowers and makes bunches of them
tailor | makes and mends suits and other clothes
hairdresser | washes and cuts hair
cleaner | keeps rooms and buildings clean
lawyer | explains the law and speaks for clients in court
judge | listens to both sides and decides cases in court
police officer | keeps people safe and looks for criminals
firefighter | puts out fires and rescues people
postman | brings letters and parcels to houses
courier | carries parcels to customers
librarian | lends books and helps people find them
secretary | answers calls, writes letters and plans meetings
accountant | checks bills and keeps records of money
cashier | takes payments in a shop
shopkeeper | runs a shop and serves customers
writer | writes books and stories
poet | writes poems
singer | sings songs for other people
actor | plays a part in films or on a stage
dancer | dances on a stage
musician | plays music on an instrument
artist | makes paintings and other art
photographer | takes pictures with a camera
journalist | finds out news and writes about it
scientist | studies the world and tests ideas
fisherman | catches fish with nets or lines
miner | digs coal or metal out of the ground
astronaut | travels into space and does tests there
programmer | writes programs for computers
translator | turns texts from one language into another
guard | watches over a building or a gate
guide | shows visitors interesting places
coach | trains players and plans the games
referee | makes sure that players follow the rules
receptionist | greets visitors and answers the telephone
porter | carries bags for guests
jeweller | makes, mends and sells rings and necklaces
optician | tests eyes and sells glasses
blacksmith | shapes hot iron with a hammer
shepherd | looks after sheep in the fields
locksmith | makes keys and opens locks
roofer | builds and mends roofs
cobbler | mends shoes and boots
diver | works under the water
clown | makes people laugh at a circus
magician | does clever tricks for people
lifeguard | watches over swimmers and rescues them
landlord | owns a home and rents it to tenants
manager | leads a team and plans the work
mayor | leads a town and its council
shop assistant | helps customers in a shop
bus driver | drives passengers along a route
zookeeper | feeds and looks after animals in a zoo
beekeeper | looks after bees and collects their honey
window cleaner | washes windows inside and outside
babysitter | looks after children while their parents are out
bricklayer | builds walls from bricks
welder | joins pieces of metal with great heat
potter | makes cups and bowls from clay
weaver | makes cloth from threads
fishmonger | sells fresh fish
greengrocer | sells fruit and vegetables
bookseller | sells books
publisher | prints and sells books
editor | corrects and improves texts
reporter | collects news and tells people about it
composer | writes music
sculptor | makes figures from stone, wood or metal
tour guide | leads groups of visitors around a city
train driver | drives a train along the rails
flight attendant | looks after passengers on an aeroplane
paramedic | gives first help and drives an ambulance
midwife | helps when babies are born
chef | leads the cooking in a restaurant
barber | cuts hair and trims beards
estate agent | helps people buy, sell or rent homes
bank clerk | serves customers at a bank
notary | checks papers and witnesses signatures
caretaker | looks after a building and does small repairs
removal man | moves furniture from one home to another
"""

FIXERS: str = """
a leaking tap | plumber
a blocked pipe | plumber
a broken car | mechanic
a noisy engine | mechanic
a broken light switch | electrician
a loose socket | electrician
a wooden chair with a broken leg | carpenter
a worn-out shoe | cobbler
a hole in the roof | roofer
a lock that will not open | locksmith
a tear in a suit | tailor
a broken ring | jeweller
a cracked wall | builder
bent glasses | optician
"""

# thing | used for (after "used for")
USES: str = """
hammer | hitting nails into wood
saw | cutting wood
screwdriver | turning screws
spanner | turning nuts and bolts
drill | making holes
axe | chopping wood
chisel | carving wood or stone
spade | digging in the garden
shovel | moving snow or earth
rake | gathering leaves
ladder | reaching high places
broom | sweeping floors
mop | washing floors
ruler | measuring and drawing straight lines
wheelbarrow | moving soil and plants
magnet | picking up things made of iron
thermometer | measuring heat
compass | finding north
telescope | looking at stars
microscope | looking at tiny things
torch | seeing in the dark
needle | sewing
scissors | cutting paper or cloth
pliers | holding and bending wire
tweezers | picking up tiny things
shears | cutting hedges
scales | finding out how heavy things are
binoculars | seeing things that are far away
cup | drinking tea or coffee
plate | serving food
bowl | holding soup or cereal
spoon | eating soup and stirring tea
fork | picking up food
knife | cutting food
pan | frying food
pot | cooking soup and rice
kettle | boiling water
teapot | making and pouring tea
oven | baking bread and cakes
fridge | keeping food cold
freezer | keeping food frozen
toaster | making toast
blender | mixing drinks and soups
jug | pouring milk or water
ladle | serving soup
sieve | separating lumps from flour
grater | shredding cheese
whisk | beating eggs
apron | keeping clothes clean while cooking
bed | sleeping
desk | writing and studying
shelf | holding books
wardrobe | keeping clothes
candle | giving a soft light
clock | telling the time
mirror | seeing yourself
vase | holding cut flowers
key | opening a lock
lock | keeping a door shut
towel | drying your body
toothbrush | cleaning teeth
comb | tidying hair
bucket | carrying water
sponge | washing dishes
heater | making a room warm
fan | cooling a room
vacuum cleaner | removing dust from carpets
washing machine | washing clothes
camera | taking pictures
telephone | talking to people far away
umbrella | keeping dry in the rain
suitcase | carrying clothes on a trip
backpack | carrying things on your back
wallet | carrying money and cards
watch | telling the time on the go
helmet | protecting the head
belt | holding up trousers
pencil | writing and drawing
pen | writing letters
eraser | rubbing out pencil marks
map | finding the way
dictionary | looking up words
calendar | keeping track of dates
envelope | sending letters
stamp | paying for the post
stapler | joining sheets of paper
soap | washing your hands
shampoo | washing hair
glue | sticking things together
rope | tying and pulling heavy things
string | tying up parcels
password | keeping an account safe
keyboard | typing words
printer | printing pages
charger | filling a battery with power
microphone | making a voice louder or recording it
speaker | listening to music
passport | travelling to other countries
receipt | showing that you have paid
bandage | covering a hurt place
crutch | walking with a hurt leg
wheelchair | moving around without walking
stretcher | carrying a hurt person
anchor | keeping a ship in one place
oar | rowing a boat
brake | stopping a vehicle
bell | calling people with its sound
whistle | getting attention with a loud sound
ambulance | taking sick people to hospital
tractor | pulling things on a farm
"""

CAPITALS: str = """
France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, Ireland Dublin, Norway Oslo,
Sweden Stockholm, Denmark Copenhagen, Finland Helsinki, Iceland Reykjavik, Poland Warsaw, Austria Vienna,
Switzerland Bern, Belgium Brussels, Greece Athens, Turkey Ankara, Hungary Budapest, Romania Bucharest,
Bulgaria Sofia, Croatia Zagreb, Slovenia Ljubljana, Slovakia Bratislava, Estonia Tallinn, Latvia Riga,
Lithuania Vilnius, Ukraine Kyiv, Serbia Belgrade, Albania Tirana, Cyprus Nicosia, Malta Valletta, Japan Tokyo,
China Beijing, India New_Delhi, Thailand Bangkok, Vietnam Hanoi, Nepal Kathmandu, Mongolia Ulaanbaatar, Jordan Amman,
Lebanon Beirut, Iraq Baghdad, Iran Tehran, Egypt Cairo, Morocco Rabat, Tunisia Tunis, Kenya Nairobi, Ghana Accra,
Senegal Dakar, Ethiopia Addis_Ababa, Uganda Kampala, Zambia Lusaka, Angola Luanda, Canada Ottawa, Mexico Mexico_City,
Cuba Havana, Brazil Brasilia, Argentina Buenos_Aires, Chile Santiago, Peru Lima, Colombia Bogota, Ecuador Quito,
Uruguay Montevideo, Australia Canberra, Luxembourg Luxembourg
"""

PLURALS: str = """
man men, woman women, child children, tooth teeth, foot feet, goose geese, mouse mice, person people, ox oxen,
sheep sheep, deer deer, fish fish, salmon salmon, trout trout, cod cod, moose moose, reindeer reindeer, leaf leaves,
loaf loaves, knife knives, wife wives, life lives, shelf shelves, wolf wolves, calf calves, half halves, thief thieves,
scarf scarves, hoof hooves, elf elves, self selves, potato potatoes, tomato tomatoes, hero heroes, echo echoes,
mango mangoes, mosquito mosquitoes, tornado tornadoes, volcano volcanoes, cactus cacti, crisis crises, oasis oases,
basis bases, postman postmen, fisherman fishermen, fireman firemen, policeman policemen, snowman snowmen,
grandchild grandchildren, tuna tuna, aircraft aircraft, series series, species species, louse lice, quiz quizzes,
bookshelf bookshelves, housewife housewives, penknife penknives, gentleman gentlemen, salesman salesmen,
medium media, waitress waitresses, carp carp, stomach stomachs, herring herring, bus buses, gas gases,
removal_man removal_men, lorry lorries, jellyfish jellyfish, starfish starfish, goldfish goldfish
"""

UNITS: str = """
How many minutes are in an hour? | There are sixty minutes in an hour.
How many seconds are in a minute? | There are sixty seconds in a minute.
How many hours are in a day? | There are twenty-four hours in a day.
How many days are in a week? | There are seven days in a week.
How many months are in a year? | There are twelve months in a year.
How many weeks are in a year? | There are about fifty-two weeks in a year.
How many days are in a year? | There are 365 days in a normal year and 366 in a leap year.
How many years are in a century? | There are one hundred years in a century.
How many years are in a decade? | There are ten years in a decade.
How many centimetres are in a metre? | There are one hundred centimetres in a metre.
How many metres are in a kilometre? | There are one thousand metres in a kilometre.
How many grams are in a kilogram? | There are one thousand grams in a kilogram.
How many millilitres are in a litre? | There are one thousand millilitres in a litre.
How many millimetres are in a centimetre? | There are ten millimetres in a centimetre.
How many things are in a dozen? | There are twelve things in a dozen.
How many letters are in the alphabet? | There are twenty-six letters in the English alphabet.
How many sides does a triangle have? | A triangle has three sides.
How many sides does a square have? | A square has four equal sides.
How many seasons are in a year? | There are four seasons: spring, summer, autumn and winter.
How many wheels does a bicycle have? | A bicycle has two wheels.
How many fingers are on one hand? | There are five fingers on one hand, counting the thumb.
What do we measure in litres? | We measure liquids such as milk and water in litres.
What do we measure in kilograms? | We measure how heavy things are in kilograms.
What do we measure in kilometres? | We measure long distances in kilometres.
What do we measure in degrees? | We measure how hot or cold something is in degrees.
"""

WHY: str = """
do we wear coats in winter | coats keep us warm
do we use umbrellas | umbrellas keep the rain off us
do birds build nests | they need a safe place for their eggs
do plants need water | they cannot grow without it
do we brush our teeth | brushing keeps our teeth clean
do we sleep | our bodies and minds need rest
do we wash our hands | washing takes away dirt and germs
do fish have fins | fins help them swim
do cars have brakes | drivers must be able to stop
do people wear seat belts | seat belts keep them safe in a crash
do we lock the door | a lock keeps strangers out
do bees visit flowers | they collect nectar to make honey
do leaves fall in autumn | the trees get ready for winter
does ice melt | heat turns it into water
do boats float | they are lighter than the water they push aside
does it get dark at night | our side of the earth turns away from the sun
do we see a rainbow | sunlight shines through drops of rain
do camels have humps | the humps store fat for long trips
do ducks have wide feet | wide feet help them swim
do giraffes have long necks | long necks help them reach high leaves
do cats purr | they often feel calm and happy
do dogs wag their tails | they are often excited or pleased
do people wear glasses | glasses help them see clearly
do we keep milk in the fridge | the cold keeps it fresh
do we boil potatoes | boiling makes them soft enough to eat
do we peel bananas | the skin is too tough to eat
do people read newspapers | they want to know the news
do we say thank you | it is polite to show that we are grateful
do we say sorry | we want to show that we did not mean to hurt someone
do shops give receipts | a receipt proves that you have paid
do people sign contracts | a signature shows that they agree
do landlords ask for a deposit | it covers damage or unpaid rent
do tenants pay rent | they use a home that belongs to someone else
do courts have judges | someone must decide cases fairly
do we have laws | laws help people live together safely
do we need passwords | passwords keep our accounts private
should you not share a password | another person could use your account
do computers need updates | updates fix mistakes and keep them safe
do we make a backup | a spare copy helps when files are lost
do batteries need charging | their power is used up over time
do shops send an invoice | it shows the customer what to pay
do customers ask for a refund | they want their money back for a faulty thing
do parcels have an address | the courier must know where to bring them
do we put stamps on letters | a stamp pays for the post
do nurses wear clean clothes | clean clothes keep germs away
do hospitals have many beds | many patients must stay there
do people visit a clinic | they want to see a doctor
do we put a bandage on a wound | it keeps the wound clean and covered
do people cover a cough | it stops germs from spreading
do firefighters wear helmets | helmets protect their heads
do bakers get up early | people want fresh bread in the morning
do farmers plant seeds in spring | the weather is warm enough for growing
do trees have roots | roots hold them up and take in water
do roses have thorns | thorns keep hungry animals away
do spiders spin webs | webs help them catch insects
do snails have shells | shells protect their soft bodies
do bears sleep in winter | there is little food in the cold months
do some birds fly south | they look for warmer places in winter
do owls hunt at night | they can see well in the dark
do zebras live in groups | a group is safer than one animal alone
do we wear hats in summer | hats protect our heads from the sun
do we wear helmets on bicycles | helmets protect our heads if we fall
do roads have signs | signs tell drivers what to do
do trains run on rails | rails guide them along the way
do ships have anchors | anchors stop them from drifting away
do houses have chimneys | chimneys let the smoke out
do rooms have windows | windows let in light and air
do we use soap | soap helps to remove dirt
do we turn off lights | it saves electricity and money
do people save money | they may need it later
do people keep pets | pets are good company
do children go to school | they learn useful things there
do teachers give homework | it helps pupils practise
do we use a calendar | it helps us remember dates
do we use maps | maps show us the way
do people write lists | lists help them remember things
do people queue | it is fair to take turns
do athletes train | training makes them stronger and faster
do we drink water | our bodies need it to work
do we eat breakfast | it gives us energy for the day
do people use ladders | ladders help them reach high places
do we wear gloves | gloves keep our hands warm
do we iron shirts | ironing makes them smooth
do puddles disappear | the sun and wind dry them up
does bread rise | tiny bubbles of gas form in the dough
does a kettle whistle | steam pushes through a small hole
does metal rust | water and air slowly change its surface
does thunder follow lightning | light travels faster than sound
do we feel cold in the wind | moving air takes heat away from the skin
does a ball fall down | the earth pulls it towards the ground
do we have calendars with twelve pages | each page shows one month
do people knock on doors | it is polite to ask before entering
do people laugh at jokes | jokes are funny and surprising
do babies cry | they cannot yet say what they need
do we whisper in a library | other people want to read in peace
do we recycle glass | old glass can be made into new bottles
do we throw away stale food | it may taste bad
do people use alarms | an alarm wakes them at the right time
do we put ice in drinks | it keeps them cold
do windows steam up | warm wet air meets cold glass
do libraries lend books | many people can then read the same book
do people shake hands | it is a friendly way to greet someone
do companies hold meetings | people need to plan work together
"""

# task | steps separated by " / " (imperatives, lower case)
HOW_TO: str = """
make tea | boil some water / pour it over the tea leaves in a cup / wait a few minutes before you drink it
post a letter | put the letter in an envelope / write the address and add a stamp / drop it in a post box
wash a shirt | put the shirt in warm water with some soap / rub it gently and rinse it / hang it up to dry
plant a seed | make a small hole in the soil / put the seed in and cover it / water it every day
change a password | open the settings of your account / type the old and the new password / save the change
make toast | put a slice of bread in the toaster / press the lever / take the toast out when it is brown
make a sandwich | take two slices of bread / put cheese and salad on one slice / cover it with the other slice
boil an egg | put the egg in a pot of hot water / let it boil for some minutes / cool it under cold water
make a salad | wash the vegetables / cut them into small pieces / mix them with oil and vinegar
make a pancake | mix flour, milk and eggs / pour some of the mix into a hot pan / turn it when one side is brown
bake a cake | mix the flour, sugar, butter and eggs / pour the mix into a tin / bake it in the oven
cook rice | wash the rice / put it in a pot with water / let it cook until the water is gone
make soup | cut some vegetables / boil them in a pot of water / add salt and stir
make lemonade | squeeze some lemons / add water and sugar / stir it well
make coffee | put ground coffee in a filter / pour hot water over it / let it run into a cup
peel an orange | cut a line in the peel / push your thumb under it / pull the peel off
wash your hands | wet your hands / rub them with soap / rinse them and dry them with a towel
brush your teeth | put toothpaste on the brush / brush every tooth gently / rinse your mouth
make a bed | pull the sheet straight / shake the pillow / spread the blanket on top
sweep the floor | take a broom / push the dirt into a pile / pick it up with a dustpan
wash the dishes | fill the sink with warm water and soap / wipe each dish with a sponge / rinse and dry them
clean a window | wipe the glass with soapy water / dry it with a clean cloth
water a plant | fill a can with water / pour it slowly onto the soil
iron a shirt | heat the iron / lay the shirt flat on the board / move the iron over it slowly
sew on a button | put thread through a needle / pass it through the button and cloth several times / tie a knot
fold a towel | lay the towel flat / fold it in half / fold it in half again
tie a shoe | cross the two laces / make a loop with each lace / pull one loop through the other
wrap a gift | put the gift on some paper / fold the paper around it / close it with tape
pack a suitcase | make a list of what you need / fold your clothes / put the heavy things at the bottom
change a light bulb | turn off the light / take out the old bulb when it is cool / screw in the new one
hang a picture | mark a spot on the wall / hit a nail into it / hang the picture on the nail
light a candle | strike a match / hold it to the top of the candle / blow out the match
paint a wall | cover the floor / dip a brush in the paint / paint the wall from top to bottom
draw a circle | put a cup on the paper / draw around its edge with a pencil
sharpen a pencil | put the pencil in the sharpener / turn it until it has a point
borrow a book | find the book in the library / show your card at the desk / bring the book back on time
buy a ticket | choose where you want to go / pay at the counter / keep the ticket until the end
catch a bus | look at the timetable / wait at the stop / show the driver your ticket
cross a road | stop at the edge / look both ways / walk when it is clear
ride a bicycle | sit on the saddle / hold the handles / push the pedals with your feet
fly a kite | hold the kite up in the wind / run a few steps / let out the string slowly
build a snowman | roll two or three big balls of snow / put them on top of each other / add a carrot nose
feed a cat | put food in its bowl / give it fresh water
walk a dog | put the dog on a lead / walk with it outside / bring it home when it is tired
wash a dog | wet its coat with warm water / rub in some soap / rinse it and dry it with a towel
clean a fish tank | move the fish to another bowl / wash the tank / fill it with fresh water
grow tomatoes | plant the seeds in small pots / put them in a sunny place / water them often
pick apples | hold the apple in your hand / twist it gently / put it in a basket
rake leaves | pull the leaves into a pile with a rake / put them in a bag
cut the grass | remove stones from the lawn / push the mower in straight lines / collect the cut grass
send an email | write the address of the person / type your message / press the send button
print a page | switch on the printer / open the page on your computer / press the print button
restart a computer | save your work / choose restart in the menu / wait until the screen comes back
charge a phone | plug the charger into a socket / join the cable to the phone / wait until the battery is full
make a phone call | type the number / press the call button / wait for an answer
take a picture | point the camera at something / hold it still / press the button
save a file | open the file menu / choose save / give the file a name
attach a file to an email | start a new message / press the attach button / choose the file
connect to a network | open the network settings / choose the name of the network / type the password
reset a password | click on the link for lost passwords / open the email you get / choose a new password
install a program | download the program / open the file / follow the steps on the screen
make a backup | join a spare drive to the computer / copy your files to it / keep it in a safe place
delete a message | choose the message / press delete / confirm your choice
track a parcel | find the tracking number / type it on the website of the courier / read where the parcel is
return a parcel | put the goods back in the box / stick the return label on it / take it to the post office
ask for a refund | find your receipt / write to the shop / explain what is wrong with the goods
pay an invoice | check the amount on the invoice / send the money from your bank / keep a record of the payment
open a bank account | choose a bank / show your passport / sign the form
save money | write down what you spend / buy only what you need / put a little aside each month
fill in a form | read each question / write your answers clearly / sign your name at the end
read a contract | take your time / read every clause / ask about anything you do not understand
end a lease | read the contract / write a notice to the landlord / keep a copy of the notice
make an appointment | call the office / choose a day and a time / write it in your diary
write a letter | begin with a greeting / write what you want to say / end with your name
write a report | collect the facts / write the main points in order / check it for mistakes
learn a new word | read what the word means / say it aloud / use it in a sentence
learn a poem | read the first line aloud / say it without looking / go on with the next line
prepare for an exam | make a plan / study a little each day / sleep well the night before
give a talk | write down your main points / practise aloud / speak slowly and clearly
set the table | lay out the plates / put the forks and knives beside them / add a glass for each person
set an alarm | open the clock on your phone / choose the time / switch the alarm on
find a word in a dictionary | look at the first letter / go to that part of the book / search in the order of letters
welcome a guest | open the door and smile / take the coat of the guest / offer something to drink
use a map | find where you are / find where you want to go / follow the roads between the two
build a sandcastle | fill a bucket with wet sand / turn it upside down / lift the bucket carefully
"""

# from largest to smallest / heaviest to lightest / fastest to slowest
SCALES: dict[str, str] = {
    "bigger": "planet, ocean, country, city, village, castle, house, bus, car, table, chair, book, cup, coin, button",
    "larger": "whale, elephant, horse, sheep, cat, hamster, mouse, beetle, ant, flea",
    "heavier": "ship, train, lorry, car, motorbike, bicycle, chair, shoe, pencil, feather",
    "faster": "rocket, aeroplane, train, car, bicycle, tortoise, snail",
    "smaller": "flea, ant, bee, mouse, rabbit, dog, donkey, cow, elephant",
    "slower": "snail, tortoise, horse, cheetah",
    "taller": "mountain, tower, house, giraffe, horse, goat, hen, mouse",
    "lighter": "feather, pencil, apple, melon, chair, piano, car",
    "older": "grandmother, mother, teenager, baby",
    "longer": "century, decade, year, month, week, day, hour, minute, second",
}

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SEASONS = ("spring", "summer", "autumn", "winter")
