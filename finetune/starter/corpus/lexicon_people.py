"""Nouns of people and public life: body, health, jobs, places, money, law, help desk, feelings and time.

Each table maps a kind to lines of ``word | definition``. A leading ``~`` marks a mass noun (no article), a leading
``+`` marks a noun that is always plural.
"""

from __future__ import annotations

TABLES: dict[str, str] = {
    "part of the body": """
head | the top part of the body with the face
face | the front of the head
eye | the part of the face that sees
ear | the part of the head that hears
nose | the part of the face that smells
mouth | the part of the face used for eating and speaking
lip | one of the soft edges of the mouth
tooth | a hard white part of the mouth used for biting
tongue | the soft part in the mouth that tastes food
chin | the part of the face below the mouth
cheek | the soft side of the face
forehead | the part of the face above the eyes
neck | the part that joins the head to the body
shoulder | the place where the arm joins the body
arm | the long part of the body with a hand at the end
elbow | the joint in the middle of the arm
wrist | the joint between the hand and the arm
hand | the part of the body at the end of the arm
finger | one of the five long parts of a hand
thumb | the short thick finger
chest | the front of the body below the neck
back | the part of the body behind the chest
stomach | the part of the body where food goes
leg | the long part of the body used for walking
knee | the joint in the middle of the leg
ankle | the joint between the foot and the leg
foot | the part of the body you stand on
toe | one of the five small parts of a foot
heel | the back part of the foot
heart | the part of the body that pumps blood
lung | one of two parts of the body used for breathing
brain | the part of the body used for thinking
bone | a hard white part inside the body
muscle | a part inside the body that makes it move
throat | the inside of the neck where food goes down
beard | the hair on the chin of a man
eyebrow | the line of hair above an eye
~skin | the soft outer cover of the body
~hair | the fine threads that grow on the head
~blood | the red liquid that moves around the body
""",
    "health word": """
doctor | a person who looks after people who are ill
nurse | a person who cares for people in a hospital
patient | a person who is being cared for by a doctor
hospital | a large building where ill people are cared for
clinic | a place where people go to see a doctor
pharmacy | a shop where medicine is sold
ward | a large room with beds in a hospital
fever | a body heat that is higher than usual
cough | a sudden noisy push of air from the throat
cold | a common illness with a runny nose
sneeze | a sudden burst of air through the nose
headache | a pain in the head
toothache | a pain in a tooth
rash | an area of red spots on the skin
bruise | a dark mark on the skin after a knock
scratch | a thin shallow cut on the skin
wound | a cut or hurt place on the body
scar | a mark left on the skin after a cut has closed
blister | a small raised patch of skin full of liquid
bandage | a strip of cloth wrapped around a hurt place
plaster | a small sticky cover for a cut
pill | a small round piece of medicine
tablet | a flat piece of medicine to swallow
syringe | a tube with a needle for giving a vaccine
vaccine | something given to guard the body from an illness
allergy | a bad reaction of the body to a harmless thing
symptom | a sign that someone may have an illness
illness | a state of not being well
infection | an illness caused by tiny germs
germ | a tiny living thing that can spread illness
virus | a very tiny thing that can cause an illness
operation | work done inside the body by a surgeon
prescription | a note from a doctor that names a medicine
stretcher | a bed with handles for carrying a hurt person
wheelchair | a chair with wheels for someone who cannot walk
crutch | a stick that helps a hurt person to walk
X-ray | a picture of the bones inside the body
pulse | the beat of the heart felt at the wrist
check-up | a visit to see if a person is well
diet | the food that a person usually eats
vitamin | a thing in food that the body needs
first-aid kit | a box with bandages and plasters
emergency | a sudden danger that needs quick help
~medicine | something taken to help a person get well
~blood pressure | the force of blood as it moves around the body
~pain | the feeling when a part of the body hurts
~health | the state of being well
~exercise | moving the body to stay fit
~asthma | an illness that makes breathing hard at times
~flu | an illness like a bad cold that spreads in winter
~rest | a time of quiet without work
~hygiene | the habit of keeping clean
""",
    "job": """
teacher | a person who helps pupils learn
farmer | a person who grows crops and keeps animals
baker | a person who makes bread and cakes
butcher | a person who cuts and sells meat
cook | a person who prepares food
waiter | a person who brings food to the table
driver | a person who drives a vehicle
pilot | a person who flies an aeroplane
sailor | a person who works on a ship
soldier | a person who serves in an army
dentist | a person who looks after teeth
surgeon | a doctor who does operations
vet | a doctor for animals
pharmacist | a person who prepares and sells medicine
plumber | a person who fixes pipes and taps
electrician | a person who fixes wires and lights
carpenter | a person who makes things from wood
builder | a person who builds houses
painter | a person who paints walls or pictures
mechanic | a person who repairs cars
engineer | a person who plans bridges and machines
architect | a person who draws plans for buildings
gardener | a person who looks after a garden
florist | a person who sells flowers
tailor | a person who makes and mends suits
hairdresser | a person who cuts hair
cleaner | a person who makes rooms clean
lawyer | a person who knows the law and helps clients
judge | a person who decides cases in court
police officer | a person who keeps people safe and stops crime
firefighter | a person who puts out fires
postman | a person who brings letters to houses
librarian | a person who works in a library
secretary | a person who writes letters and plans meetings
accountant | a person who checks the money of a company
cashier | a person who takes money in a shop
shopkeeper | a person who runs a shop
writer | a person who writes books
poet | a person who writes poems
singer | a person who sings songs
actor | a person who plays a part in a film or play
dancer | a person who dances for a living
musician | a person who plays music
artist | a person who makes art
photographer | a person who takes pictures
journalist | a person who writes news stories
scientist | a person who studies how the world works
fisherman | a person who catches fish
miner | a person who digs coal or metal from the ground
astronaut | a person who travels into space
programmer | a person who writes instructions for computers
translator | a person who turns one language into another
guard | a person who watches over a place
guide | a person who shows visitors around
coach | a person who trains a team
referee | a person who makes sure players follow the rules
receptionist | a person who greets visitors at a desk
porter | a person who carries bags in a hotel
jeweller | a person who sells rings and necklaces
optician | a person who tests eyes and sells glasses
blacksmith | a person who shapes hot iron
shepherd | a person who takes care of sheep
locksmith | a person who makes and opens locks
roofer | a person who mends roofs
cobbler | a person who mends shoes
diver | a person who works under water
clown | a person who makes people laugh in a circus
magician | a person who does clever tricks
waitress | a woman who brings food to the table
lifeguard | a person who keeps swimmers safe
mayor | the head of a town
""",
    "person": """
mother | a woman who has a child
father | a man who has a child
parent | a mother or a father
sister | a girl or woman with the same parents as you
brother | a boy or man with the same parents as you
daughter | a female child of someone
son | a male child of someone
grandmother | the mother of your mother or father
grandfather | the father of your mother or father
aunt | the sister of your mother or father
uncle | the brother of your mother or father
cousin | the child of your aunt or uncle
nephew | the son of your brother or sister
niece | the daughter of your brother or sister
husband | the man that somebody is married to
wife | the woman that somebody is married to
twin | one of two children born together
baby | a very young child
child | a young person
teenager | a person from thirteen to nineteen years old
adult | a fully grown person
friend | a person you know well and like
neighbour | a person who lives near you
stranger | a person you do not know
guest | a person who visits your home
host | a person who welcomes guests
visitor | a person who comes to see a place
passenger | a person who travels in a vehicle
tourist | a person who visits a place for fun
king | a man who rules a country
queen | a woman who rules a country
hero | a very brave person
thief | a person who steals things
leader | a person whom others follow
owner | a person to whom something belongs
winner | the person who comes first
member | a person who belongs to a group
beginner | a person who has just started to learn
expert | a person who knows a lot about something
""",
    "place": """
house | a building where a family lives
flat | a set of rooms on one floor for living in
castle | a large strong building with high walls
palace | a grand home for a king or queen
tower | a tall narrow building
bridge | a structure that carries a road over water
school | a place where children learn
university | a place where adults study after school
library | a place where people borrow books
museum | a place where old and interesting things are shown
theatre | a place where plays are shown
cinema | a place where films are shown
restaurant | a place where people buy and eat meals
cafe | a small place for drinks and cakes
bakery | a shop that sells bread
shop | a place where things are sold
market | an open place with many stalls that sell things
supermarket | a very large shop for food and other goods
hotel | a building where travellers pay to sleep
station | a place where trains stop
airport | a place where aeroplanes take off and land
harbour | a safe place for ships by the coast
factory | a building where goods are made
farm | a place where crops and animals are raised
barn | a farm building for hay and animals
stable | a building where horses are kept
garden | a piece of land with flowers near a house
park | a public place with grass and trees
playground | a place where children play outside
zoo | a place where people can see wild animals
church | a building where people pray
temple | a building for worship
bank | a place that keeps and lends money
post office | a place where you send letters and parcels
garage | a building for keeping or mending cars
kitchen | the room where food is cooked
bedroom | the room where people sleep
bathroom | the room where people wash
living room | the room where a family sits and talks
hall | the space just inside the front door
cellar | a room under a house
attic | a room just under the roof
shed | a small wooden hut for tools
tent | a shelter made of cloth for camping
village | a small group of houses in the country
town | a place with many houses and shops
city | a very large town
country | a land with its own laws and people
street | a road in a town with houses
road | a hard way made for vehicles
path | a narrow way for walking
corner | the place where two streets or walls meet
crossing | a place where people walk over a road
tunnel | a long hole through a hill for trains or cars
border | the line between two countries
stadium | a large place for watching sport
gym | a room for exercise
pool | a place filled with water for swimming
lighthouse | a tower with a bright light that guides ships
mill | a building where grain is made into flour
prison | a building where criminals are locked up
circus | a show with clowns in a large tent
orchard | a field of fruit trees
greenhouse | a glass building for growing plants
workshop | a room where things are made or mended
queue | a line of people who wait
""",
    "money word": """
coin | a round flat piece of metal money
banknote | a piece of paper money
price | the amount of money something costs
cost | the money needed to buy something
bill | a paper that says how much you must pay
receipt | a paper that shows you have paid
invoice | a paper that asks for payment for goods or work
refund | money given back to a customer
discount | an amount taken off a price
salary | the money paid for a job every month
wage | the money paid for work by the hour or week
tax | money that people must pay to the state
loan | money that is lent and must be paid back
debt | money that you owe to someone
fee | money paid for a service
fine | money paid as a punishment
budget | a plan for spending money
bargain | something bought at a low price
payment | the act of giving money for something
profit | the money left after all costs are paid
loss | the money missing when costs are too high
saving | an amount of money kept for later
gift | something given to someone for free
cheque | a signed paper that tells a bank to pay
purchase | something that has been bought
pension | money paid to people who have stopped working
donation | money given to help others
~money | coins and notes used to buy things
~cash | money in coins and notes
~change | the money you get back after paying too much
~interest | extra money paid for using a loan
~rent | money paid each month to live in a place
~credit | a way to buy now and pay later
~insurance | a payment that protects you against losses
""",
    "law word": """
law | a rule that everyone in a country must follow
rule | a statement of what you may or must do
contract | a written promise between two sides
landlord | a person who owns a home and rents it out
tenant | a person who pays rent to live in a place
lease | a contract for renting a home
deposit | money paid first and held as a promise
notice | a written warning that something will happen
court | a place where a judge hears cases
trial | a meeting in court to decide a case
witness | a person who saw something happen
crime | an act that breaks the law
criminal | a person who has broken the law
victim | a person who was harmed
punishment | something unpleasant given for doing wrong
right | something the law lets you do or have
duty | something that you must do
agreement | a decision that two sides share
clause | one part of a contract
party | one of the sides in a contract
claim | a request for something you say is yours
complaint | a statement that something is wrong
dispute | a quarrel between two sides
penalty | a payment or loss for breaking a rule
permit | a paper that allows you to do something
licence | a paper that says you may do something
passport | a small book needed to travel to other countries
will | a paper that says who gets your things after death
document | a paper with important words on it
copy | something made exactly like another thing
employer | a person or company that gives people work
employee | a person who works for a company
jury | a group of people who decide in a trial
verdict | the decision at the end of a trial
guarantee | a promise to mend or replace a thing
warranty | a written promise that goods will work
condition | something that must be true or done first
promise | words that say you will surely do something
proof | a fact that shows something is true
vote | a choice made by raising a hand or marking paper
+terms | the conditions in a contract
~evidence | facts that help to show what happened
~property | the things or land that a person owns
~justice | fair treatment under the law
~permission | the right to do something, given by someone
~privacy | the right to keep your own matters to yourself
""",
    "help desk word": """
password | a secret word that opens an account
account | a record that lets you use a service
username | the name you use to sign in
email | a message sent from one computer to another
message | words sent from one person to another
computer | a device that stores and works with information
laptop | a small computer that you can carry
screen | the flat part of a device that shows pictures
keyboard | a set of keys for typing
printer | a device that puts words on paper
scanner | a device that makes a digital copy of a page
network | a group of computers joined together
router | a box that shares an internet connection
cable | a thick wire that carries power or signals
charger | a device that fills a battery with power
website | a set of pages on the internet
link | a word you click to open another page
app | a small program on a phone
program | a set of instructions for a computer
icon | a small picture on a screen
cursor | the small mark that moves on a screen
tab | one of several open pages in a window
browser | a program for looking at websites
download | a file copied from the internet
upload | a file sent to the internet
attachment | a file sent along with an email
backup | a spare copy of your files
update | a newer version of a program
setting | a choice that changes how a device works
error | something that has gone wrong
bug | a mistake in a program
ticket | a record of a problem that needs help
request | a polite way of asking for something
reply | an answer to a message
order | a request to buy something
parcel | a box or packet sent by post
package | a wrapped thing that is sent to someone
delivery | the bringing of goods to a home
courier | a person who carries parcels
address | the details of where somebody lives
tracking number | a number that shows where a parcel is
return | the sending back of goods to a shop
exchange | the giving of one thing for another
subscription | a regular payment for a service
voucher | a paper or code used instead of money
code | a set of letters or numbers with a meaning
phone number | the digits you press to call someone
help desk | a team that answers questions from users
service | work done to help other people
user | a person who uses something
device | a thing made for a special job
headset | a pair of earphones with a microphone
speaker | a device that sound comes out of
microphone | a device that picks up sound
~internet | the network that joins computers across the world
~data | facts and numbers stored on a computer
~software | the programs that run on a computer
~hardware | the solid parts of a computer
~stock | the goods a shop has ready to sell
~postage | the money paid to send a letter
~support | help given to someone with a problem
~information | facts about something
~storage | space for keeping things
""",
    "feeling": """
~joy | a feeling of great happiness
~happiness | the feeling of being glad
~sadness | the feeling of being unhappy
~anger | the strong feeling when something seems unfair
~fear | the feeling that danger is near
~love | a deep warm feeling for someone
~hate | a very strong feeling of dislike
~hope | the feeling that good things may happen
~pride | the feeling of being pleased with what you did
~shame | the bad feeling after doing something wrong
~envy | the wish to have what another person has
~surprise | the feeling when something unexpected happens
~worry | the feeling that something bad may happen
~hunger | the feeling of needing food
~thirst | the feeling of needing a drink
~boredom | the feeling when nothing is interesting
~courage | the strength to face danger
~kindness | the habit of being good to others
~patience | the power to wait calmly
~trust | the belief that someone is honest
~gratitude | the feeling of being thankful
~loneliness | the sad feeling of being alone
~excitement | the lively feeling before something fun
~relief | the good feeling when a worry ends
~stress | the tense feeling of having too much to do
~sympathy | the feeling of sharing the sadness of others
~curiosity | the wish to know more
~disgust | a strong feeling that something is nasty
~grief | deep sadness after a loss
~friendship | the bond between friends
""",
    "time word": """
second | a very short time, sixty of which make a minute
minute | a time of sixty seconds
hour | a time of sixty minutes
day | a time of twenty-four hours
week | a time of seven days
month | one of the twelve parts of a year
year | a time of twelve months
decade | a time of ten years
century | a time of one hundred years
morning | the early part of the day
afternoon | the part of the day after noon
evening | the part of the day before night
night | the dark part of the day
season | one of the four parts of the year
weekend | Saturday and Sunday together
holiday | a time of rest from work or school
birthday | the day of the year when someone was born
moment | a very short time
future | the time that is still to come
past | the time that has already gone
~noon | twelve o'clock in the middle of the day
~midnight | twelve o'clock in the middle of the night
~dawn | the time when the sun comes up
~dusk | the time when the light fades
~spring | the season when plants begin to grow
~summer | the warmest season of the year
~autumn | the season when leaves fall
~winter | the coldest season of the year
""",
    "idea or thing in life": """
idea | a thought or plan in the mind
dream | pictures in the mind while you sleep
memory | something that you remember
secret | something that only a few people know
joke | a short funny story
lie | something said that is not true
fact | something that is known to be true
reason | a statement that explains why
problem | something that is hard to deal with
solution | the answer to a problem
choice | the act of picking one thing
chance | a time when something is possible
danger | something that may cause harm
accident | something bad that happens by chance
journey | a trip from one place to another
trip | a short journey
walk | a journey on foot
race | a contest to see who is fastest
prize | something given to a winner
medal | a round piece of metal given as a prize
song | words that are sung to music
film | a story shown in moving pictures
newspaper | sheets of paper with the latest news
magazine | a thin book with pictures that comes out often
wedding | a ceremony where two people marry
festival | a happy time when many people celebrate
meal | the food eaten at one time
breakfast | the first meal of the day
lunch | the meal in the middle of the day
dinner | the main meal of the day
picnic | a meal eaten outside on the grass
habit | something you do again and again
hobby | something you like doing in free time
family | a group of parents and children
crowd | a large number of people together
language | the words used by people of one country
sound | something that you hear
smell | something that you notice with your nose
taste | the feeling of food on the tongue
colour | a thing such as red, blue or green
size | how big or small something is
weight | how heavy something is
height | how tall something is
speed | how fast something moves
distance | how far it is between two places
temperature | how hot or cold something is
pattern | lines or shapes that repeat
hole | an empty space in something
edge | the line where something ends
middle | the part that is the same distance from each end
bottom | the lowest part
top | the highest part
machine | a device with moving parts that does work
flag | a piece of cloth that stands for a country
sign | a board with words that tells you something
gap | an empty space between two things
group | several people or things together
pair | two things that belong together
~news | reports of things that have just happened
~luck | good or bad things that happen by chance
~peace | a time without war or noise
~war | fighting between countries
~truth | what is really so
~help | the act of making things easier for someone
~work | something you do to earn money or reach a goal
~sleep | the rest that people take at night
~noise | loud or unpleasant sound
~light | the brightness that lets us see
~heat | the warmth that comes from a fire or the sun
~freedom | the state of being able to do what you want
~traffic | all the vehicles on a road
~luggage | the bags that you take on a trip
~energy | the power to do work or move
~space | the empty area beyond the sky
~safety | the state of being away from danger
~fun | enjoyment and pleasure
""",
}
