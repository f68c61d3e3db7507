"""Nouns for made things: tools, kitchen things, furniture, clothes, vehicles, toys, music, school and office.

Each table maps a kind to lines of ``word | definition``. A leading ``~`` marks a mass noun (no article), a leading
``+`` marks a noun that is always plural.
"""

from __future__ import annotations

TABLES: dict[str, str] = {
    "tool": """
hammer | a tool with a heavy head for hitting nails
saw | a tool with a row of teeth for cutting wood
screwdriver | a tool for turning screws
spanner | a tool for turning nuts and bolts
drill | a tool that makes round holes
axe | a tool with a sharp blade for chopping wood
chisel | a tool with a flat sharp end for carving
spade | a tool with a flat blade for digging
shovel | a wide tool for moving earth or snow
rake | a tool with long teeth for gathering leaves
hoe | a long tool for breaking up soil
ladder | a tool with steps for climbing up high
brush | a tool with hairs for cleaning or painting
broom | a brush with a long handle for sweeping floors
mop | a tool with a soft head for washing floors
ruler | a flat straight tool for measuring short lengths
wheelbarrow | a small cart with one wheel for the garden
trowel | a small hand tool for planting
crowbar | an iron bar for forcing things open
magnet | a piece of metal that pulls iron towards it
thermometer | a tool that shows how hot or cold something is
compass | a tool with a needle that points north
telescope | a tool that makes far things look near
microscope | a tool that makes tiny things look large
torch | a small light that you carry in your hand
needle | a thin pointed tool for sewing
file | a rough metal tool for making edges smooth
+scissors | a tool with two blades for cutting paper
+pliers | a tool for holding and bending wire
+tweezers | a small tool for picking up tiny things
+shears | large scissors for cutting hedges
+scales | a tool that shows how heavy something is
+binoculars | a pair of small telescopes for both eyes
""",
    "kitchen thing": """
cup | a small round thing with a handle for hot drinks
mug | a large cup with straight sides
plate | a flat round dish on which food is served
bowl | a deep round dish for soup or cereal
spoon | a thing with a round end for eating soup
fork | a thing with points for picking up food
knife | a thing with a sharp blade for cutting
pan | a flat metal dish with a handle for cooking
pot | a deep round container for cooking
kettle | a container with a spout for boiling water
teapot | a container with a spout for making tea
oven | a hot box in which food is baked
stove | a device with flames or rings for cooking
fridge | a cold cupboard that keeps food fresh
freezer | a very cold box that keeps food frozen
toaster | a device that turns bread into toast
blender | a device that mixes food into a liquid
dishwasher | a device that washes plates and cups
sink | a wide basin with taps for washing up
tap | a handle that turns water on and off
jug | a container with a lip for pouring
jar | a glass container with a wide top
tray | a flat thing for carrying cups and plates
ladle | a deep spoon for serving soup
sieve | a net that lets small pieces through
grater | a rough thing for shredding cheese
whisk | a wire thing for beating eggs
apron | a cloth worn over clothes while cooking
napkin | a small cloth for wiping your mouth
lid | a cover for the top of a pot
cork | a soft stopper for a bottle
tin opener | a device that cuts the top off a tin
recipe | a list of steps for cooking a dish
+tongs | a tool with two arms for lifting hot food
""",
    "piece of furniture": """
table | a flat top on legs where people eat or work
chair | a seat with a back for one person
sofa | a long soft seat for several people
bed | a soft place where people sleep
desk | a table where people write or study
shelf | a flat board on a wall that holds things
bookcase | a tall set of shelves for books
wardrobe | a tall cupboard for hanging clothes
cupboard | a place with doors for storing things
drawer | a box that slides in and out of a desk
stool | a small seat with no back
bench | a long hard seat for two or more people
armchair | a soft chair with places to rest your arms
cradle | a small bed that rocks a baby
bunk | a narrow bed fixed above another one
""",
    "thing in the house": """
door | a flat part of a wall that opens and closes
window | an opening with glass that lets in light
wall | the upright side of a room or building
floor | the flat part of a room you walk on
ceiling | the top inside part of a room
roof | the cover on top of a house
chimney | a tall pipe that lets smoke out of a house
stair | one of the steps between two floors
carpet | a thick soft cover for the floor
rug | a small carpet
curtain | a cloth that hangs in front of a window
cushion | a soft bag for making a seat comfortable
pillow | a soft bag on which you rest your head
blanket | a warm cover for a bed
sheet | a thin cloth that covers a bed
mattress | the thick soft part of a bed
lamp | a device that gives light in a room
candle | a stick of wax with a string that burns
clock | a device on a wall that shows the time
mirror | a piece of glass in which you see yourself
picture | a drawing, painting or photo of something
vase | a container for cut flowers
key | a small metal thing that opens a lock
lock | a device that keeps a door shut
doorbell | a button that rings to call someone to the door
bath | a long container in which you wash your body
toilet | a seat in the bathroom with running water
towel | a thick cloth for drying your body
toothbrush | a small brush for cleaning your teeth
comb | a flat thing with teeth for tidying hair
bucket | a round container with a handle for carrying water
sponge | a soft thing full of holes that soaks up water
ironing board | a narrow table for ironing clothes
heater | a device that makes a room warm
fan | a device that moves air to cool a room
vacuum cleaner | a device that sucks dust from the floor
washing machine | a device that washes clothes
radio | a device that plays music and news
television | a device with a screen that shows programmes
camera | a device that takes pictures
telephone | a device for talking to people far away
umbrella | a cover on a stick that keeps off rain
basket | a container made of woven sticks
box | a container with flat sides and a lid
bag | a soft container for carrying things
bottle | a tall container with a narrow neck for liquids
rope | a very thick strong string
hook | a curved piece of metal for hanging things
nail | a thin pointed piece of metal hit into wood
screw | a pointed piece of metal that is turned into wood
bin | a container for rubbish
fence | a wall of wood or wire around a garden
gate | a door in a fence
alarm | a loud sound that warns people of danger
battery | a small block that stores electricity
bulb | the glass part of a lamp that shines
socket | the place in a wall where a plug goes
plug | a thing with pins that joins a device to electricity
switch | a button that turns a light on or off
hinge | a metal joint on which a door swings
match | a small stick that makes fire when rubbed
+stairs | the set of steps between two floors
~soap | a thing used with water for washing
~shampoo | a liquid soap for washing hair
~toothpaste | a soft paste for cleaning teeth
~furniture | tables, chairs, beds and other things in rooms
~rubbish | things that people throw away
~laundry | clothes that need to be washed
~electricity | the power that makes lamps and devices work
""",
    "piece of clothing": """
shirt | a light piece of clothing with sleeves and buttons
coat | a long warm piece of clothing for outside
jacket | a short coat
jumper | a warm knitted top
dress | a piece of clothing with a top and skirt in one
skirt | a piece of clothing that hangs from the waist
sock | a soft cover for the foot
shoe | a strong cover for the foot
boot | a tall strong shoe
sandal | a light open shoe for hot days
slipper | a soft shoe worn indoors
hat | a cover for the head
cap | a soft hat with a stiff front
scarf | a long cloth worn around the neck
glove | a warm cover for the hand
mitten | a glove with one part for all the fingers
belt | a band worn around the waist
tie | a narrow cloth worn around the collar
blouse | a light top with buttons worn by women
uniform | special clothes worn for work or school
suit | a jacket and trousers made from the same cloth
vest | a thin top worn under a shirt
raincoat | a coat that keeps out the rain
swimsuit | a piece of clothing for swimming
helmet | a hard hat that protects the head
costume | clothes worn to look like someone else
+trousers | clothes that cover both legs
+jeans | strong blue cotton trousers
+shorts | short trousers that end above the knee
+pyjamas | loose clothes for sleeping
+glasses | two pieces of glass in a frame that help you see
+tights | thin close clothes for the legs
""",
    "small thing to wear or carry": """
ring | a small circle of metal worn on a finger
necklace | a chain worn around the neck
bracelet | a chain or band worn around the wrist
watch | a small clock worn on the wrist
button | a small round thing that closes a shirt
zip | a row of teeth that closes a coat or bag
pocket | a small bag sewn into clothes
collar | the part of a shirt around the neck
sleeve | the part of a shirt that covers the arm
purse | a small bag for coins
wallet | a flat case for money and cards
handkerchief | a small cloth for wiping your nose
backpack | a bag carried on the back
suitcase | a case with a handle for clothes on a trip
jewel | a pretty stone worth a lot of money
crown | a gold ring worn on the head of a king
badge | a small sign pinned to clothes
~jewellery | rings, chains and other things worn to look nice
""",
    "vehicle": """
car | a vehicle with four wheels and an engine
bus | a long vehicle that carries many people on roads
train | a vehicle that runs on rails
tram | a kind of bus that runs on rails in a city
bicycle | a vehicle with two wheels and pedals
motorbike | a vehicle with two wheels and an engine
lorry | a big vehicle that carries heavy goods
van | a covered vehicle for carrying parcels and goods
taxi | a car with a driver you pay for a ride
ambulance | a vehicle that takes sick people to hospital
fire engine | a red vehicle that carries fire crews and hoses
tractor | a strong vehicle that pulls things on a farm
boat | a small vehicle that travels on water
ship | a large boat that crosses the sea
ferry | a boat that carries people and cars across water
canoe | a narrow light boat moved with a paddle
yacht | a boat with sails used for fun
submarine | a ship that travels under the sea
aeroplane | a vehicle with wings that flies
helicopter | a flying vehicle with spinning blades on top
rocket | a vehicle that flies into space
sledge | a vehicle without wheels for sliding on snow
scooter | a board with two small wheels and a handle
cart | a simple vehicle pulled by a horse
caravan | a small house on wheels pulled by a car
digger | a heavy vehicle that digs holes
raft | a flat boat made from logs
glider | a light aeroplane without an engine
pram | a small cart for pushing a baby
""",
    "part of a vehicle": """
wheel | a round thing that turns and lets a car move
engine | the part that makes a car go
brake | the part that makes a car or bicycle stop
tyre | the rubber ring around a wheel
pedal | a part you push with your foot
saddle | a seat on a horse or bicycle
sail | a large cloth that catches the wind on a boat
anchor | a heavy hook that keeps a ship in place
oar | a long pole with a flat end for rowing
seat belt | a strap that keeps you safe in a car
headlight | a bright lamp on the front of a car
mast | the tall pole that holds up a sail
""",
    "toy or game": """
ball | a round thing for throwing and kicking
doll | a toy that looks like a small person
kite | a light toy that flies on a string in the wind
puzzle | a game in which you fit pieces together
balloon | a thin bag filled with air or gas
teddy bear | a soft toy shaped like a bear
swing | a seat that hangs on ropes and moves to and fro
slide | a smooth slope that children ride down
skateboard | a short board on wheels
puppet | a toy figure moved by strings or a hand
whistle | a small thing you blow to make a high sound
trampoline | a springy sheet on which people jump
yo-yo | a round toy that runs up and down a string
jigsaw | a picture cut into many small pieces
riddle | a tricky question asked for fun
~chess | a board game with kings and queens for two players
~football | a game in which two teams kick a ball
~tennis | a game in which players hit a ball over a net
~hockey | a game played with curved sticks
~basketball | a game in which a ball is thrown through a hoop
~golf | a game of hitting a small ball into holes
~rugby | a game with an oval ball carried by hand
""",
    "musical instrument": """
piano | a large instrument with black and white keys
guitar | an instrument with six strings and a wooden body
violin | a small instrument with four strings played with a bow
cello | a large deep violin held between the knees
flute | a thin instrument you blow across
trumpet | a loud brass instrument that you blow
drum | a hollow instrument that you hit
harp | a tall instrument with many strings
clarinet | a dark wooden instrument that you blow
bell | a hollow metal cup that rings when hit
xylophone | an instrument of bars hit with small sticks
organ | a huge instrument with pipes, often in a church
trombone | a brass instrument with a sliding tube
tambourine | a flat drum with small metal discs
accordion | an instrument squeezed between both hands
""",
    "school word": """
pencil | a thin wooden stick for writing and drawing
pen | a thing filled with ink for writing
eraser | a soft block that rubs out pencil marks
crayon | a stick of coloured wax for drawing
book | a set of pages with words to read
notebook | a book of empty pages for writing
page | one side of a sheet in a book
lesson | a period of time for learning something
exam | a set of questions to test what you know
~homework | school work that is done at home
blackboard | a dark board a teacher writes on
classroom | a room where lessons are given
pupil | a child who learns at school
student | a person who studies
dictionary | a book that tells you what words mean
alphabet | all the letters of a language in order
letter | a sign such as A or B, or a written message
word | a group of letters that has a meaning
sentence | a group of words that makes complete sense
paragraph | a group of sentences about one idea
story | a tale about people and events
poem | a piece of writing with short lines, often with rhymes
question | a sentence that asks for an answer
answer | what you say when someone asks you something
mistake | something that is done wrong
example | one thing that shows what others are like
essay | a short piece of writing on a subject
library card | a card that lets you borrow books
map | a drawing that shows where places are
globe | a round map of the world
diagram | a simple drawing that explains something
number | a word or sign used for counting
shape | the outline of a thing, such as round or square
circle | a perfectly round flat shape
square | a shape with four equal sides
triangle | a shape with three sides
rectangle | a shape with four sides and four right angles
noun | a word that names a person, place or thing
verb | a word that says what someone does
adjective | a word that describes a thing
vowel | one of the letters a, e, i, o and u
comma | a small mark that shows a short pause
timetable | a list of the times when things happen
term | a part of the school year
topic | the thing that people talk or write about
~history | the story of what happened in the past
~science | the study of how the world works
~maths | the study of numbers and shapes
~geography | the study of places on the earth
~grammar | the rules of a language
~spelling | the right order of letters in a word
~music | pleasant sounds made by singing or playing
~art | the making of pictures and beautiful things
~knowledge | the things that a person knows
~education | teaching and learning in schools
""",
    "office word": """
office | a room where people work at desks
meeting | a time when people come together to talk
colleague | a person you work with
boss | the person in charge at work
manager | a person who leads a team at work
team | a group of people who work or play together
customer | a person who buys something
client | a person who pays for expert help
company | a group of people who run a business
department | one part of a large company
report | a written account of something
form | a paper with empty spaces to fill in
envelope | a paper cover for a letter
stamp | a small piece of paper that pays for posting
stapler | a device that joins papers with wire
folder | a cover for keeping papers together
calendar | a chart of the days and months
diary | a book for plans or for daily notes
deadline | the latest time to finish something
task | a piece of work to be done
project | a piece of work planned over some time
schedule | a plan of what happens and when
appointment | a set time to meet somebody
interview | a meeting to see if someone suits a job
career | the jobs that a person does in life
shift | a set period of work in the day
break | a short rest from work
promotion | a move to a better job
skill | something that you can do well
signature | your name written by your own hand
agenda | a list of things to talk about
memo | a short note to people at work
plan | an idea of what to do later
goal | something that you hope to reach
result | what happens because of something
summary | a short account of the main points
draft | a first version of a piece of writing
list | a set of words written one under another
chart | a drawing that shows facts or numbers
paper clip | a bent wire that holds papers together
~staff | all the people who work in one place
~advice | words that help someone decide what to do
~experience | what you learn by doing things
""",
}
