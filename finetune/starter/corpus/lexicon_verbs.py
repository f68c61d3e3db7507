"""Verbs with their past form and meaning, adjectives with meaning and opposite, and adverbs with meaning."""

from __future__ import annotations

# verb | simple past | meaning (after "to")
VERBS: str = """
borrow | borrowed | take something and give it back later
lend | lent | give something for a time and get it back later
buy | bought | get something by paying for it
sell | sold | give something in return for money
pay | paid | give money for something
spend | spent | use money or time
save | saved | keep something for later
earn | earned | get money by working
owe | owed | have to pay money back to someone
give | gave | hand something to someone
take | took | get hold of something and carry it
bring | brought | carry something to a place
carry | carried | hold something and move it
send | sent | make something go to another place
receive | received | get something that was sent
deliver | delivered | bring goods to the right place
order | ordered | ask for something to be brought or made
return | returned | come back or give something back
exchange | exchanged | give one thing and get another
cancel | cancelled | say that something will not happen
confirm | confirmed | say that something is certain
refuse | refused | say no to something
accept | accepted | say yes to something offered
agree | agreed | have the same opinion as someone
argue | argued | talk in an angry way because you do not agree
promise | promised | say that you will surely do something
forgive | forgave | stop being angry with someone
forget | forgot | fail to remember
remember | remembered | keep something in your mind
think | thought | use your mind
know | knew | have something clear in your mind
learn | learned | get new knowledge or a new skill
teach | taught | help someone learn
study | studied | spend time learning something
read | read | look at words and understand them
write | wrote | put words on paper
draw | drew | make a picture with a pencil or pen
paint | painted | put colour on something with a brush
count | counted | say numbers in order or find how many
spell | spelled | say the letters of a word in order
speak | spoke | say words aloud
say | said | put something into words
tell | told | give someone news or facts in words
talk | talked | speak with someone
whisper | whispered | speak very softly
shout | shouted | speak in a very loud voice
ask | asked | put a question to someone
answer | answered | speak or write back after a question
explain | explained | make something clear
describe | described | say what something is like
repeat | repeated | say or do something again
translate | translated | put words into another language
listen | listened | try to hear something
hear | heard | notice a sound with your ears
see | saw | notice something with your eyes
look | looked | turn your eyes towards something
watch | watched | look at something for some time
smell | smelled | notice something with your nose
taste | tasted | try the flavour of something
touch | touched | put your hand on something
feel | felt | notice something through the skin or heart
hold | held | keep something in your hand
catch | caught | get hold of something that moves
throw | threw | send something through the air with your hand
kick | kicked | hit something with your foot
push | pushed | move something away from you
pull | pulled | move something towards you
lift | lifted | move something up
drop | dropped | let something fall
fall | fell | move down quickly by accident
rise | rose | move up
climb | climbed | go up using hands and feet
jump | jumped | push yourself up into the air
run | ran | move fast on your feet
walk | walked | move on foot at a normal speed
crawl | crawled | move on hands and knees
swim | swam | move through water with arms and legs
dive | dived | jump into water with the head first
fly | flew | move through the air
ride | rode | sit on a horse or bicycle and travel
drive | drove | control a car or another vehicle
travel | travelled | go from one place to another
arrive | arrived | come to the end of a journey
leave | left | go away from a place
enter | entered | go into a place
go | went | move to another place
come | came | move towards the speaker
stay | stayed | remain in the same place
wait | waited | stay until something happens
stand | stood | be on your feet
sit | sat | rest on a seat
lie | lay | be flat on a bed or on the ground
sleep | slept | rest with closed eyes at night
wake | woke | stop sleeping
dream | dreamed | see pictures in your sleep
rest | rested | stop work and relax
eat | ate | put food in your mouth and swallow it
drink | drank | take a liquid into your mouth and swallow it
bite | bit | cut something with your teeth
chew | chewed | break food into pieces with your teeth
swallow | swallowed | make food go down the throat
cook | cooked | make food ready with heat
bake | baked | cook something in an oven
boil | boiled | heat water until it bubbles
fry | fried | cook food in hot oil
mix | mixed | put things together and stir them
stir | stirred | move a liquid around with a spoon
pour | poured | make a liquid flow out of a container
cut | cut | divide something with a knife
slice | sliced | cut something into thin flat pieces
peel | peeled | take the skin off a fruit
wash | washed | clean something with water
wipe | wiped | clean something with a cloth
sweep | swept | clean a floor with a broom
scrub | scrubbed | rub something hard to clean it
dry | dried | take the water out of something
iron | ironed | press clothes with a hot flat tool
fold | folded | bend one part of something over another
sew | sewed | join cloth with a needle and thread
knit | knitted | make clothes from wool with two needles
wear | wore | have clothes on your body
dress | dressed | put clothes on
build | built | make something by putting parts together
make | made | create or produce something
break | broke | split into pieces or stop working
mend | mended | make a broken thing whole again
repair | repaired | make a broken thing work again
destroy | destroyed | damage something so badly that it is gone
dig | dug | make a hole in the ground
plant | planted | put a seed in the soil to grow
grow | grew | become bigger
water | watered | give water to plants
pick | picked | choose something or take a flower or fruit
harvest | harvested | gather crops when they are ripe
feed | fed | give food to a person or animal
hunt | hunted | chase animals to catch them
hide | hid | go where no one can see you
seek | sought | try to find something
find | found | see something after looking for it
lose | lost | be unable to find something
search | searched | look carefully for something
discover | discovered | find something for the first time
invent | invented | make something that never existed before
choose | chose | pick one thing from several
decide | decided | make a choice after thinking
try | tried | make an effort to do something
begin | began | do the first part of something
start | started | begin to do something
finish | finished | come to the end of something
stop | stopped | not go on any longer
continue | continued | go on without stopping
open | opened | move something so that it is not shut
close | closed | move something so that it is shut
lock | locked | close something with a key
tie | tied | join things with string or a knot
join | joined | put two things together
separate | separated | move things apart
measure | measured | find the size of something
weigh | weighed | find out how heavy something is
compare | compared | look at how things are alike or different
collect | collected | bring things together in one place
gather | gathered | come or bring together
share | shared | let others have a part of something
divide | divided | split something into parts
add | added | put one thing or number to another
win | won | be the best in a game or race
play | played | do something for fun
sing | sang | make music with your voice
dance | danced | move your body to music
laugh | laughed | make a happy sound when something is funny
smile | smiled | turn up the corners of your mouth
cry | cried | have tears in your eyes
yawn | yawned | open your mouth wide when you are tired
sneeze | sneezed | push air suddenly through the nose
cough | coughed | push air noisily out of the throat
breathe | breathed | take air in and let it out
help | helped | make something easier for someone
protect | protected | keep someone safe from harm
warn | warned | tell someone about a danger
rescue | rescued | save someone from danger
thank | thanked | tell someone that you are grateful
greet | greeted | say hello to someone
invite | invited | ask someone to come to your home or party
visit | visited | go to see someone or a place
meet | met | come together with someone
marry | married | become the husband or wife of someone
love | loved | like someone or something very much
hate | hated | dislike something very strongly
hope | hoped | want something to happen
wish | wished | want something that may not be possible
worry | worried | keep thinking that something bad may happen
fear | feared | be afraid of something
trust | trusted | believe that someone is honest
steal | stole | take what belongs to another person
cheat | cheated | act in an unfair way to win
fight | fought | try to hurt or beat someone
hurt | hurt | cause pain
shake | shook | move quickly from side to side
freeze | froze | turn into ice
melt | melted | turn from solid to liquid in the heat
burn | burned | be on fire or damage something by fire
shine | shone | give out bright light
ring | rang | make the sound of a bell
float | floated | stay on top of water
sink | sank | go down under the water
blow | blew | push air out or move with the wind
flow | flowed | move like water in a river
bend | bent | make something curved
stretch | stretched | make something longer by pulling it
spread | spread | cover a larger area
fill | filled | make something full
empty | emptied | take everything out of something
cover | covered | put something over another thing
wrap | wrapped | put paper or cloth around something
print | printed | put words on paper with a device
type | typed | write with a keyboard
click | clicked | press a button on a computer mouse
copy | copied | make something that is the same
delete | deleted | remove words or files
install | installed | put a program on a computer
reset | reset | set something back to its first state
connect | connected | join one thing to another
charge | charged | fill a battery with power
update | updated | make something newer
call | called | speak to someone by telephone
sign | signed | write your name on a paper
rent | rented | pay money to use a home or a thing
hire | hired | give someone a job
work | worked | do a job or a task
retire | retired | stop working when you are older
complain | complained | say that you are not happy with something
apologise | apologised | say that you are sorry
improve | improved | make something better
change | changed | become or make something different
use | used | do something with a thing
keep | kept | go on having something
put | put | move something to a place
show | showed | let someone see something
believe | believed | think that something is true
understand | understood | know what something means
guess | guessed | give an answer without being sure
obey | obeyed | do what you are told
allow | allowed | let someone do something
forbid | forbade | say that something must not be done
admire | admired | think that someone is very good
encourage | encouraged | give someone hope and confidence
postpone | postponed | move something to a later time
reduce | reduced | make something smaller or less
increase | increased | become larger or more
replace | replaced | put a new thing where the old one was
avoid | avoided | keep away from something
"""

# adjective | meaning | opposite ("-" when it has no simple opposite)
ADJECTIVES: str = """
big | large in size | small
small | little in size | big
tall | high from top to bottom | short
short | not long or not tall | long
long | far from one end to the other | short
wide | large from side to side | narrow
narrow | small from side to side | wide
thick | large from front to back | thin
thin | not thick or not fat | thick
deep | going a long way down | shallow
shallow | not deep | deep
heavy | hard to lift | light
light | easy to lift, or not dark | heavy
hot | having a lot of heat | cold
cold | having little heat | hot
warm | a little hot | cool
cool | a little cold | warm
wet | covered with water | dry
dry | without any water | wet
new | made or bought a short time ago | old
old | having lived or existed for many years | young
young | having lived for only a few years | old
fast | moving at great speed | slow
slow | taking a long time | fast
early | before the usual time | late
late | after the usual time | early
good | of high quality or kind | bad
bad | not good | good
happy | feeling glad | sad
sad | feeling unhappy | happy
angry | feeling strong displeasure | calm
calm | quiet and not excited | angry
brave | not afraid of danger | cowardly
afraid | full of fear | brave
shy | nervous with people you do not know | bold
bold | not afraid to take risks | shy
kind | friendly and helpful to others | cruel
cruel | liking to hurt others | kind
polite | having good manners | rude
rude | having bad manners | polite
honest | telling the truth | dishonest
clever | quick to learn and understand | stupid
wise | having good sense and knowledge | foolish
foolish | without good sense | wise
lazy | not wanting to work | hard-working
busy | having a lot to do | idle
tired | needing rest or sleep | rested
strong | having great power | weak
weak | without much power | strong
hard | not soft, or not easy | soft
soft | easy to press and not hard | hard
rough | not smooth to touch | smooth
smooth | without bumps | rough
sharp | having a fine edge that cuts | blunt
blunt | not sharp | sharp
clean | free from dirt | dirty
dirty | covered with dirt | clean
tidy | in good order | messy
messy | not in good order | tidy
full | having no empty space | empty
empty | with nothing inside | full
open | not shut | closed
loud | making a lot of noise | quiet
quiet | making very little noise | loud
bright | full of light | dim
dark | with little or no light | bright
easy | not hard to do | difficult
difficult | not easy to do | easy
simple | easy to understand | complicated
safe | free from danger | dangerous
dangerous | likely to cause harm | safe
cheap | costing little money | expensive
expensive | costing a lot of money | cheap
rich | having a lot of money | poor
poor | having little money | rich
free | costing nothing, or not held | -
right | correct or true | wrong
wrong | not correct | right
true | agreeing with the facts | false
false | not true | true
same | not different | different
different | not the same | same
near | not far away | far
far | a long way away | near
high | a long way above the ground | low
low | near the ground | high
first | before all others | last
last | after all others | first
alive | living | dead
dead | no longer living | alive
asleep | sleeping | awake
awake | not sleeping | asleep
fresh | newly made or picked | stale
stale | old and no longer fresh | fresh
ripe | ready to be eaten | unripe
raw | not cooked | cooked
sweet | tasting like sugar | sour
sour | tasting like a lemon | sweet
bitter | having a sharp taste, like strong coffee | sweet
salty | tasting of salt | -
sick | not well | healthy
healthy | well and strong | sick
hungry | wanting food | full
thirsty | wanting a drink | -
beautiful | very nice to look at | ugly
ugly | not nice to look at | beautiful
funny | making people laugh | serious
serious | not joking | funny
interesting | making you want to know more | boring
boring | not interesting | interesting
famous | known by many people | unknown
common | seen or found often | rare
rare | not often seen or found | common
usual | happening most of the time | unusual
strange | unusual and hard to explain | normal
normal | as it is expected to be | strange
possible | able to happen | impossible
certain | without any doubt | doubtful
careful | taking care to avoid mistakes | careless
careless | not taking enough care | careful
patient | able to wait calmly | impatient
generous | glad to give to others | mean
selfish | thinking only of yourself | generous
proud | pleased with what you have done | ashamed
jealous | wanting what another person has | -
lonely | sad because you are alone | -
nervous | worried about what may happen | relaxed
excited | very happy about something soon to come | bored
grateful | feeling thankful | ungrateful
curious | wanting to know things | -
stubborn | not willing to change your mind | -
friendly | kind and easy to talk to | unfriendly
helpful | glad to help others | unhelpful
useful | helping you to do something | useless
broken | in pieces or not working | whole
round | shaped like a ball or circle | -
straight | without a bend or curve | crooked
flat | level and without hills or bumps | -
steep | rising or falling sharply | gentle
tight | fitting very closely | loose
loose | not tight | tight
modern | belonging to the present time | ancient
ancient | very, very old | modern
public | open to everyone | private
private | only for one person or a few people | public
legal | allowed by law | illegal
illegal | against the law | legal
fair | treating everyone in the same way | unfair
equal | the same in size, number or value | unequal
valid | accepted and correct | invalid
urgent | needing attention at once | -
annual | happening once a year | -
available | ready to be used or bought | unavailable
missing | not in its place | present
correct | without mistakes | incorrect
online | connected to the internet | offline
secure | safe and well protected | insecure
damaged | harmed or broken | undamaged
visible | able to be seen | invisible
transparent | clear enough to see through | -
noisy | full of loud sounds | silent
silent | without any sound | noisy
guilty | having done something wrong | innocent
innocent | not having done anything wrong | guilty
"""

# extra opposites: pairs that work in both directions
OPPOSITES: str = """
up down, in out, on off, yes no, day night, begin end, start finish, buy sell, give take, push pull, win lose,
open close, come go, arrive leave, remember forget, love hate, laugh cry, ask answer, front back, left right,
inside outside, above below, over under, before after, always never, everything nothing, everybody nobody, more less,
many few, north south, east west, summer winter, hello goodbye, question answer, friend enemy, success failure,
truth lie, war peace, beginning end, top bottom, entrance exit, profit loss, increase decrease, add subtract,
multiply divide, rise fall, float sink, freeze melt, build destroy, lock unlock, connect disconnect, agree disagree,
accept refuse, borrow lend, save spend, lift lower, fill empty, appear disappear, allow forbid, wake sleep,
include exclude, import export, send receive, sunrise sunset, male female, maximum minimum, guest host, upload download
"""

ADVERBS: str = """
quickly | at great speed
slowly | at low speed
carefully | with care
quietly | with little noise
loudly | with a lot of noise
happily | in a glad way
sadly | in an unhappy way
angrily | in an angry way
gently | in a soft and kind way
politely | with good manners
bravely | without fear
easily | without trouble
suddenly | all at once and without warning
finally | at the end, after a long time
often | many times
seldom | not many times
always | at all times
never | at no time
sometimes | at some times but not always
usually | most of the time
already | before now
soon | in a short time
immediately | at once
together | with each other
alone | without other people
almost | very close to but not quite
nearly | almost
perhaps | it is possible that
maybe | it may be so
certainly | without any doubt
abroad | in or to another country
upstairs | on or to a higher floor
downstairs | on or to a lower floor
outdoors | outside in the open air
indoors | inside a building
everywhere | in all places
nowhere | in no place
yesterday | on the day before today
tomorrow | on the day after today
tonight | on the evening of today
twice | two times
once | one time
again | one more time
early | before the usual time
patiently | in a calm way while waiting
neatly | in a tidy way
roughly | not exactly, or not gently
exactly | in every detail
separately | one at a time, not together
daily | every day
weekly | every week
monthly | every month
yearly | every year
"""
