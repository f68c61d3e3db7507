"""Word lists for names: small, written by hand, lower case. They help the rules of `names`; they are not a census.

A given name that is also an everyday word, a month, a place or an illness stands in AMBIGUOUS: it counts only together
with a known family name or after a cue such as "my name is".
"""

from __future__ import annotations

_GIVEN = """
aaron abigail adam adrian agnes aidan alan albert alec alex alexander alexandra alexis alfred alice alicia alison
allan allison alyssa amanda amber amelia amy andrea andrew angela angelina anita ann anna anne annette annie anthony
antonia april archie ariana arnold arthur ashley audrey austin ava barbara barry beatrice becky belinda benjamin
bernard bernice bertha beth bethany betty beverly bill billy blake bob bobby bonnie brad bradley brandon brenda
brendan brent brett brian bridget brittany bruce bryan caitlin caleb callum cameron candice carl carla carly carmen
carol carole caroline carolyn carrie casey catherine cathy cecilia chad charlene charles charlie charlotte chelsea
cheryl chloe chris christian christina christine christopher cindy claire clara clarence claude claudia clifford
clive clyde cody colin colleen connie connor constance corey courtney craig crystal curtis cynthia daisy dale damian
dana daniel danielle danny daphne darlene darren darryl dave david dawn dean deanna deborah debra denise dennis
derek diana diane dolores dominic don donald donna dora doris dorothy doug douglas duncan dustin dwayne dylan earl
eddie edgar edith edmund edna edward edwin eileen elaine eleanor elena elijah elizabeth ella ellen ellie elliot
elsie emily emma eric erica erik erin ernest esther ethan ethel eugene eva evan evelyn faith fiona florence floyd
frances francis frank franklin fred freddie frederick gabriel gail gareth garry gary gavin gemma gene geoffrey
george georgia georgina gerald geraldine gerard gilbert gillian gina gladys glen glenda glenn gloria gordon grace
graham grant greg gregory gwen hailey hannah harold harriet harry harvey hazel heather heidi helen henry herbert
hilary holly hope howard hugh ian ida imogen irene iris isaac isabel isabella isla ivan ivy jack jackie jackson
jacob jacqueline jade jake james jamie jan jane janet janice jared jasmine jason jay jean jeanette jeff jeffrey
jenna jennie jennifer jenny jeremy jerome jerry jesse jessica jessie jill jim jimmy joan joanna joanne joe joel john
johnny jon jonathan jordan joseph josephine joshua joy joyce juan juanita judith judy julia julian julie june justin
kara karen karl kate katherine kathleen kathryn kathy katie kayla keith kelly kelsey ken kenneth kerry kevin kim
kimberly kirk kirsty kristen kristin kurt kyle lance larry laura lauren laurence laurie lawrence leah lee lena leo
leon leonard leroy leslie lester lewis liam lillian lily linda lindsay lisa lloyd lois loretta lori lorraine louis
louise lucas lucille lucy luke lydia lynn mabel mackenzie madeline madison malcolm mandy marc marcia marcus margaret
maria marian marianne marie marilyn marion marjorie mark marlene marsha martha martin marvin mary mason matilda
matthew maureen maurice max maxine megan meghan melanie melinda melissa melvin mia michael micheal michele michelle
miguel mike mildred millie milton minnie miranda miriam mitchell molly monica monique morgan mrs muriel myra nancy
naomi natalie natasha nathan nathaniel neil nellie nicholas nick nicola nicole nigel nina noah noel nora norma
norman oliver olivia oscar owen paige pam pamela patricia patrick patty paul paula pauline peggy penny percy perry
peter phil philip phillip phoebe phyllis poppy priscilla rachel ralph ramona randall randy raymond rebecca reginald
rene renee rex rhonda richard rick ricky rita rob robert roberta robin rodney roger roland ron ronald ronnie rory
rosa rosalind rose rosemary ross roxanne roy ruby russell ruth ryan sabrina sally sam samantha samuel sandra sandy
sara sarah scott sean sebastian seth shane shannon sharon shaun shawn sheila shelley sherry shirley sidney sierra
simon sonia sophia sophie spencer stacey stacy stanley stella stephanie stephen steve steven stuart sue summer susan
susanna suzanne sydney sylvia tamara tammy tanya tara taylor ted teresa terence teri terrance terry thelma theodore
theresa thomas tiffany tim timothy tina todd tom tommy toni tony tracey tracy travis trevor tricia tristan troy
tyler valerie vanessa vera vernon veronica vicki vicky victor victoria vincent viola violet virginia vivian wallace
walter wanda warren wayne wendy wesley wilbur will willard william willie wilma winifred yvette yvonne zachary zoe
adelheid alois andreas angelika anja anke annegret annika antje arne astrid axel baerbel bastian bernd bernhard
birgit birte bjoern björn brigitte britta burkhard carsten christa christoph claus cornelia dagmar detlef dieter
dietmar dirk doerte eckhard elfriede elke elisabeth emil ernst erwin eva-maria felix florian franz franziska
friedrich fritz gabriele gerd gerda gerhard gertrud gisela greta gudrun guenter guenther günter günther gustav hanna
hannelore hans hans-peter harald hartmut heike heiko heiner heinrich heinz helga helmut hendrik herta hildegard
holger horst hubert ilse inge ingeborg ingo ingrid inka jens joachim jochen johann johanna johannes jonas jörg
juergen jürgen jutta kai karin karl-heinz katharina kathrin katja katrin kerstin klaus konrad lars lea lena
lieselotte lothar ludwig lukas manfred manuela margarete margit mareike marlies mathias matthias maximilian
mechthild meike mia michaela moritz nadine niklas nils norbert olaf oliver otto petra philipp rainer ralf reiner
reinhard renate roland rolf rüdiger ruediger rudolf sabine sandra sebastian siegfried sigrid silke silvia simone
sofie stefan stefanie steffen susanne svenja sven swantje tanja thorsten tobias torsten udo ulf ulrich ulrike ursula
ute uwe volker waltraud werner wilhelm winfried wolfgang wolfram yannick adèle adele agathe alain amélie amelie
anaïs anais antoine arnaud aurélie aurelie aurore baptiste benoît benoit bérénice brigitte bruno camille cécile
cecile cédric cedric chantal christelle christophe clémence clemence clément clement corinne cyril damien delphine
didier dominique édouard edouard élise elise élodie elodie émilie emilie emmanuel emmanuelle enzo éric étienne
etienne eugénie fabien fabienne fabrice florent françois francois françoise francoise frédéric frederic gaëlle
gaelle gérard geneviève genevieve georges ghislaine gilles grégory guillaume guy hélène helene henri hervé herve
hugo inès isabelle jacques jean-baptiste jean-claude jean-françois jean-luc jean-marc jean-michel jean-paul jean-
pierre jérôme jeanne joël joëlle josiane jules julien juliette laetitia laurent léa leïla léo loïc loic louane luc
lucie lucien ludovic madeleine manon marc-antoine marcel margaux margot marguerite marie-claire marie-louise marine
marion martine mathieu mathilde mélanie michel mireille monique nadège nathalie nicolas noémie océane odile olivier
pascal pascale patrice philippe pierre quentin raphaël raphael raymonde régine rémi remi roger romain sandrine
sébastien serge séverine solange solène stéphane stephane stéphanie suzanne sylvain sylvie thérèse théo thibault
thierry valentin valérie véronique veronique victoire virginie xavier yann yannick yves yvette adriana alba alberto
alejandra alejandro alfonso alfredo álvaro alvaro amparo ana andrés andres ángel ángela antonio araceli arturo
asunción beatriz begoña beltrán benito blanca camila carlos carlota carolina catalina césar cesar concepción
consuelo cristian cristina cristóbal diego dolores eduardo elvira emilio encarnación enrique ernesto esperanza
esteban estefanía eugenia eva fátima federico felipe fernanda fernando fidel francisco gabriela gerardo gonzalo
graciela gregorio guadalupe guillermo gustavo héctor hector hernán ignacio inés inmaculada irene isidro ismael iván
jaime javier jesús jimena joaquín joaquin jorge josé jose josefa juan-carlos juana julio laura leticia lidia lorena
lorenzo lourdes lucía lucia luis luisa macarena magdalena manuel marcela marcelo marcos margarita maría mariana
mariano mario marisol marta mateo matías mercedes miguel-ángel miriam montserrat natalia nerea nuria óscar pablo
paloma patricio paulina pedro pilar rafael ramiro ramón ramon raquel raúl raul ricardo roberto rocío rodrigo rogelio
rosario rubén ruben salvador santiago sergio silvia sofía sofia soledad susana teresa tomás tomas valentina vicente
víctor virginia ximena yolanda afonso amália andré andreia antónio artur augusto beatriz bernardo bruna caio
catarina cláudia custódio davi duarte fernão filipa filipe francisca gil gonçalo guilherme heitor henrique inácio
isabela joana joão joao joaquim letícia lourenço lúcia luís luísa luiz madalena márcia márcio margarida mariana
matilde matheus miguel nuno paulo raquel renata rita rodrigo rui simão sónia tânia tatiana teodoro thiago tiago
vasco vítor alessandra alessandro alessia alessio ambra andrea angelo annalisa antonella antonino antonio arianna
barbara bartolomeo benedetta bianca bruno camilla carla carlo carlotta caterina cettina chiara cinzia claudio
corrado cristiano dario davide debora domenico donatella edoardo elena eleonora elisa elisabetta emanuela emanuele
enrico enzo ermanno fabio fabrizio federica filippo fiorella flavia flavio francesca francesco franco gabriella
gaetano giacomo gianluca gianni giorgia giorgio giovanna giovanni giulia giuliana giulio giuseppe giuseppina guido
ilaria isabella jacopo leonardo letizia lorenza luca luciana luciano ludovica luigi maddalena manuela marcello marco
margherita mariangela marika massimo matilde matteo maurizio mauro michela michele mirella mirko monica nicolò
nunzia orazio ornella paola paolo pasquale piero pietro raffaele raffaella renato riccardo rinaldo rocco romano
rosanna rosario ruggero salvatore samuele sandro serena silvana silvio simona stefania stefano tommaso tullio ugo
umberto valeria vincenzo vittoria vittorio aksel anders anette anneli annette annika arvid asbjørn åse bengt bente
bertil birgitta bo brita camilla carl-gustaf dag ebba einar eino elsa erika erkki esa eskil freja frida fredrik
georg göran gösta grethe gunilla gunnar gunvor haakon håkan halvor hanne harri helle henrik hilda hjalmar inga
ingemar ingvar jari jarmo jenni jesper jørgen jørn johan juha juhani jukka jussi kalle kari karoliina karsten
katarina keijo kirsten kirsi kjell knud knut kristian kristina kristoffer lasse leena leif lena lennart liisa linnea
lise lone maija maja magnus maj-britt marit markku mathilde matti merete mette mikael mikkel mikko morten niels
nils-erik ola olav ole olof outi paavo palle päivi pär pekka pentti per pernille pia pirjo poul preben ragnar rasmus
reijo riikka ritva rune saara sakari sari seppo signe sigrun sigurd siiri simo siv solveig søren sorin stig stine
sture susanne svein svend tage tapio tarja terje terhi thorbjørn timo tiina tor tore torben trine trond tuomas tuula
ulla ulrika urban valdemar veikko vidar viggo vilhelm ville virpi viktor vilhjálmur ylva øyvind aleksander
aleksandra aleksandr alena aleš anastasia andrei andrej andrzej aneta aniela antonín barbora beata bogdan bogusław
bohdan borys boris božena czesław danuta dariusz dmitri dmitry dobromir dorota dragan dušan edyta ekaterina elżbieta
ewa ewelina faina frantisek františek galina gennady genowefa georgi goran grażyna grigori grzegorz halina hana
hanna helena henryk igor ilona ilya irena irina ivana ivo iwona izabela jadwiga jakub jan jana janina janusz
jarosław jaroslav jelena jerzy jiří jiri joanna jolanta jovan józef jozef jožef justyna karel karolina katarzyna
kazimierz kinga konstantin krisztián krystyna krzysztof ksenia larisa lech leszek libor lidija ljudmila lucyna
ludmila łukasz lyudmila maciej magda magdalena małgorzata marcin marek marian mariusz marta marzena mateusz maxim
michał mihai mikhail milan milena milica milica miloš mirosław miroslav mladen monika nadezhda natalya natasa nikola
nikolai nikolay oksana oldřich oleg olga ondřej patrycja paweł pavel petar petr piotr polona przemysław radek
radomir radosław rafał renata roman ryszard sebastian sergei sergey slavko sławomir stanisław stanislav stefan
svetlana szymon szabina tadeusz tamás tatiana teresa tomasz tomáš urszula vaclav václav vadim valentina valery
vasily vera věra viktoria vlad vladimir vladislav vojtěch volodymyr waldemar wanda wiesław witold władysław wojciech
yelena yevgeny yulia yuri zbigniew zbyněk zdeněk zdzisław zenon zofia zoran zsófia zoltán abdul abdullah abdulrahman
adel adnan ahmad ahmed aisha akram ali alia amina amir amira amr anwar asif asma ayesha aysha bashir bilal dalia
eman fadi farah faisal faiza farid farida fatemeh fatima fatma ghada habib hadi hala hamid hamza hanan hani hasan
hassan hatem hiba huda hussain hussein ibrahim ihsan iman imran jamal jamila kamal karim khadija khaled khalid laila
lamia latifa leila lina maha mahmoud majid malak mansour maryam mehdi mohamed mohammad mohammed mona mostafa
muhammad munir mustafa nabil nada nadia naeem nasser nawal nayef noor nour omar osama othman rafiq rania rashid
rasha reem reza rida saad saeed said salem salim salma samir samira sana sara shaima sharif sultan tahir tarek tariq
umar usman walid wael yahya yasin yasmin yasmine yasser younis yousef youssef yusuf zahra zainab zaid zeinab aylin
ayşe aysegül baris burak büşra can cem cemal deniz derya ebru ece elif emine emre ercan erdal erdem esra eylem fatih
ferhat furkan gizem gökhan gül gülsüm hakan hale halil hande hatice hüseyin ilker ipek kemal kerem leyla mehmet
melek meral merve mert metin murat mustafa nazlı nihat nilüfer nurten oguz onur orhan osman ozan özge özlem pınar
selim selin serkan sevgi sevim sibel sinan songül tuba tugba tuncay tülay ufuk umut volkan yagmur yasemin yavuz
zehra zeynep aarav aditi aditya ajay akash amit amita anand anil anita anjali ankit anusha arjun arun asha ashok
aarti bhavna chandra deepa deepak deepika devi dinesh divya ganesh gaurav gita gopal hari harish indira isha jyoti
kavita kavya kiran krishna kumar lakshmi lalita madhav madhu mahesh manish manju manoj meena meera mohan mukesh
namrata nandini naresh neeraj neha nikhil nisha nitin pankaj pooja prakash pranav prasad pratik praveen preeti priya
priyanka rahul raj rajesh rajiv raju rakesh ramesh rani ravi rekha ritu rohan rohit sachin sandeep sangeeta sanjay
sanjeev santosh sarita satish savita seema shankar shanti sharmila shilpa shiv shreya sita sneha sonali srinivas
subhash sudha suman sumit sunil sunita suresh sushma swati tanvi uma usha varun venkatesh vidya vijay vikas vikram
vinay vinod vishal vivek akiko akira ayumi chiyo daisuke emi haruka haruki hideo hiroshi hiroko hiroyuki jiro junko
kaori kazuko kazuo keiko kenji kenta kumiko makoto mariko masahiro masako masato michiko mika misaki naoko naoki
natsuki ryo ryota sachiko sakura satoshi shigeru shinji shota takashi takeshi takuya taro tomoko toshio yoko yoshiko
yuka yuki yuko yumi yusuke yuto eun-ji hye-jin ji-hoon ji-woo jin-ho jisoo min-jun min-ji seo-yeon seung-hyun soo-
jin sung-min young-ho yuna
"""

_AMBIGUOUS = """
amber april ash ashley august austin bill billy blake blanca bo brandon brent brook can carol carter casey chad chase
cherry christian clara clay cody constance crystal daisy dale dag dan dana dawn deniz dean derya devi diesel dolores
dolly don drew duke earl ebba elf elle emi emil esa esperanza eva faith fay flora florence floyd forest franklin frank
gail gene georgia ginger gil gilbert glen glory grace grant guy hale hani hari harmony harrison harvey hazel heath
heather henry herb hilda holly hope hunter iris isla ivy jack jackson jade jan jasmine jay jean jersey jerry jesse
jesus jewel joy jordan judge june juna kai kari karim kim king kim kirk krishna laurel lance lane lea lee leo leon lewis
liberty lily lina lincoln lois london lone lourdes luke lucas luz lynn mabel madison mae magnolia maj mandy marc maria
marina marine mark martin mason max may melody mercedes mercy merit meritxell mia mika milan miles milton minnie misty
mohs mona morgan murphy myra nancy nick noor noel nora norma norman nova ola ole olive opal outi owen paris parker
patience patty paul pearl peg penny per perry pia pilar piper poppy porter pure raj rain ray reed reese regina rex rich
rick rida river rob robin rocky roger rocco roman romano rory rosa rosario rose ross roy ruby rune russell ruth sage
said sal salem sally salvador sam sandy santiago sara sari sasha savannah scott serena seth shanti shannon shiv sierra
sierra sky soledad spencer stella sterling stig sue sultan suman summer sunny sydney taylor ted terry tim tom tony tor
tore tracy trinity troy tyler uma urban usha vera vernon victor victoria viola violet virginia vivian wade ward warren
wayne wells wesley will willow wolf winter worth yuan zen clement clemence romain camille olivier victoire valentin
ville anna christina carolina catalina alexandria charlotte adelaide helena magdalena santa elena florent aurora aurore
sandro valencia valentina soledad guadalupe trinidad fidel esther sharon leslie kelly stanley houston dallas denver
lorraine alsace nice angelica melissa veronica linda angel barbara cesar césar ceasar sidney stuart graham bradley
beverly clifford parkinson vincent craig howard marion claude jules clyde percy morris wallace chelsea mrs alba
ana rita ida mario ken ron don rene elena asunción concepción encarnación consuelo amparo palle sture hala iman nada
may will hope faith huda malak samira imran ali bo siv carlo monte santa ana dolores hazel milton keith chris
lea léo marguerite margarita bianca serena sierra aurora diana juno hector achilles hugo ivan katrina sandy rita
gloria andrew mitch dorian rosalind georg harald leonardo josé san francis frances lawrence
kiran asha madhu isha anusha deepa rohan asma maha
"""

_FAMILY = """
adams adkins alexander allen alvarado anderson andrews armstrong arnold atkinson austin bailey baker baldwin ball barker
barnes barnett barrett bates baxter beck bell bennett berry bishop black blackwell blair bowen bowman boyd bradley
bradshaw brady brennan brewer briggs brooks brown bryant buchanan burgess burke burns burton bush butler byrne caldwell
cameron campbell carlson carpenter carr carroll carter chambers chandler chapman christensen clark clarke clayton cohen
coleman collins connolly connor conway cook cooper cox craig crawford cross cruz cunningham curtis dalton daniels
davidson davies davis dawson dean dixon dobson donnelly donovan douglas doyle duffy duncan dunn edwards elliott ellis
evans farrell ferguson fernandez fisher fitzgerald fleming fletcher flores flynn ford foster fowler fox francis franklin
fraser frazier freeman fuller gallagher garcia gardner garner garrett george gibbs gibson gilbert gill gilmore goodman
goodwin gordon graham grant graves gray green greene greenwood gregory griffin griffiths hale hall hamilton hammond
hancock hansen hanson harding hardy harper harris harrison hart harvey hawkins hayes haynes henderson henry henson
herrera hicks higgins hill hobbs hodge hodges hoffman holland holmes holt hopkins horton houghton howard howe howell
hudson huffman hughes humphrey hunt hunter hussain ingram jackson jacobs james jarvis jenkins jennings jensen johns
johnson johnston jones jordan joyce kaur kavanagh kaye keller kelley kelly kemp kennedy kent khan king kirk knight lamb
lambert lane larson lawrence lawson lee leonard lewis lindsey little lloyd logan long lopez love lowe lucas lynch lyons
macdonald mackenzie maldonado malone mann manning marsh marshall martin martinez mason matthews maxwell may mcbride
mccarthy mccormick mccoy mcdonald mcdaniel mcgee mcgrath mcguire mckay mckenna mckenzie mckinney mclaughlin mclean
mcmahon mendez mendoza meyer miles miller mills mitchell montgomery moody moore morales moran moreno morgan morris
morrison morrow morton moss mueller mullen munro murphy murray myers nash neal nelson newman newton nguyen nichols
nicholson nixon nolan norman norris norton obrien oconnor odonnell oliver olson oneill ortega ortiz osborne owen owens
page palmer parker parsons patel patterson patton payne pearce pearson perez perkins perry peters peterson phillips
pierce pittman poole porter potter powell pratt preston price quinn ramirez ramos ramsey randall reed reese reeves
reid reilly reyes reynolds rhodes rice richards richardson riley rivera robbins roberts robertson robinson rodgers
rodriguez rogers rollins romero rose ross rowe rowland ruiz russell russo ryan sanchez sanders sanderson santana
santiago santos saunders savage schmidt schneider schultz scott serrano sexton shah sharp shaw shelton shepherd sherman
silva simmons simpson sims sinclair singh skinner sloan smith snyder spencer stafford stanley stark steele stephens
stephenson stevens stevenson stewart stokes stone strickland stuart sullivan summers sutton swanson sweeney sykes
tanner tate taylor terry thomas thompson thomson thornton todd torres townsend tran trujillo tucker turner tyler
underwood valdez vance vargas vasquez vaughn vega wade wagner walker wallace waller walsh walters walton ward warner
warren washington waters watkins watson watts weaver webb weber webster weiss welch wells west wheeler white whitehead
whitaker wilcox wiley wilkins wilkinson williams williamson willis wilson winters wolfe wong wood woodard woods woodward
wright wyatt yates york young zimmerman
albrecht arnold bauer baumann becker beck berger bergmann böhm brandt braun busch dietrich engel ernst fischer förster
frank franke friedrich fuchs graf groß günther haas hahn hartmann heinrich herrmann hofmann hoffmann horn huber jäger
jung kaiser keller klein koch köhler könig krämer kraus krause krüger kuhn kühn lange lang lehmann lorenz ludwig
maier mayer meier meyer möller müller naumann neumann otto peters pfeiffer pohl richter roth sauer schäfer scherer
schmid schmitt schmitz scholz schreiber schröder schubert schulte schulz schulze schumacher schuster schwarz schwarze
seidel simon sommer stein steiner thiel vogel vogt voigt walter weber weiß werner winkler winter wolf wolff ziegler
aubert barbier benoit bernard bertrand blanc blanchard bonnet boucher bourgeois boyer brun caron chevalier clement
colin da david denis deschamps dubois dufour dumas dumont dupont dupuis durand duval fabre faure fontaine fournier
francois gaillard garnier gauthier gautier gerard girard giraud guerin henry hubert joly lacroix lambert laurent leblanc
leclerc lecomte lefebvre lefevre legrand lemaire lemoine leroux leroy lucas marchand marie martin masson mathieu mercier
meunier michel moreau morel morin moulin muller nicolas noel olivier perrin petit philippe picard pierre renard renaud
rey richard rivière robert robin roche rolland rousseau roussel roux roy simon thomas vidal vincent
aguilar alonso álvarez alvarez arias benítez blanco bravo cabrera calvo campos cano carmona carrasco castillo castro
cortés crespo delgado díaz diaz díez domínguez dominguez durán esteban fernández ferrer flores fuentes gallardo
gallego garcía garrido gil giménez gómez gomez gonzález gonzalez guerrero gutiérrez gutierrez hernández hernandez
herrero hidalgo ibáñez iglesias jiménez jimenez león lópez lorenzo lozano márquez marín martínez medina méndez
molina montero mora muñoz munoz navarro nieto núñez ortiz pascual pastor peña pérez prieto ramírez rivas rojas román
rubio ruíz sáez sánchez sanz soler soto suárez suarez vargas vázquez vicente zamora
almeida alves azevedo barbosa batista cardoso carvalho correia costa cunha dias duarte faria ferreira fonseca gomes
gonçalves goncalves lima lopes machado magalhães marques martins melo mendes miranda monteiro morais moreira nascimento
nunes oliveira pereira pinto ribeiro rocha rodrigues santos silva soares sousa souza tavares teixeira vieira
amato barbieri basile battaglia bellini benedetti bernardi bianchi bianco bruno caputo caruso cattaneo colombo conte
conti coppola costa costantini d'angelo d'amico damico de-luca deluca donati esposito fabbri fanucci farina ferrara
ferrari ferraro ferri fiore fontana galli gallo gatti gentile giordano giuliani grassi grasso greco guerra leone
lombardi longo lucchesi mancini marchetti mariani marini marino martinelli martini mazza messina milani monti morelli
moretti nucci orlando palumbo parisi pellegrini pellegrino piras ricci riva rinaldi rizzi rizzo romano rossetti
rossi ruggiero russo sala sanna santini santoro sartori serra silvestri sorrentino testa valentini villa vitale vitali
andersen andersson berg bergström christiansen christensen dahl dahlgren eklund eriksen eriksson hagen halvorsen hansen
hansson haugen heikkinen hämäläinen holm jakobsen jansson jensen johannessen johansen johansson jonsson jørgensen
kallio karlsen karlsson knudsen koskinen korhonen kristiansen laine larsen larsson laursen lehtonen lind lindberg
lindgren lindqvist lindström lund lundberg madsen magnusson mäkelä mäkinen mortensen møller nielsen nieminen niemi
nilsen nilsson nygård nyström olsen olsson paulsen pedersen persson petersen pettersen pettersson poulsen rasmussen ruud
salminen schou sjöberg solberg sørensen strand ström sundberg svensson thomsen varvio virtanen wallin
adamczyk babić baran čech chmielewski černý dąbrowski dvořák dudek dvorak horvat horák horvath ivanov ivanova ivanović
jankowski jovanović jaworski kamiński kovač kovács kovacs kowalczyk kowalska kowalski kozłowski kravchenko krawczyk
kučera kuznetsov lewandowska lewandowski mazur molnár nagy nemeth novák novák nováková novotný nowak nowakowski
nikolić orlov pavlov pawlak petrov petrović piotrowski pokorný popescu popov procházka ranković rutkowski sikora
smirnov sokolov stepanek svoboda szabo szabó szymański toth tóth varga vasiliev veselý volkov wieczorek wiśniewski
witkowski wojciechowski wójcik woźniak yefremova zając zalewski zieliński zelenka
agarwal ahuja banerjee bhat bhatt chakraborty chatterjee chaudhary chauhan chopra das desai dubey dutta ghosh goel gupta
iyer jain jha joshi kapoor khanna kulkarni kumar malhotra mehta menon mishra mukherjee nair narayan pandey patil pillai
prasad rao rastogi reddy saxena sen sethi sharma shukla sinha srivastava thakur tiwari trivedi varma verma yadav
abbas abdallah aziz bakr darwish el-sayed farouk haddad hakim hamdan hosseini ismail jaber karimi khalil khoury mahdi
malik mansoor najjar nasr qureshi rahman saleh sayed shaikh sheikh siddiqui aydin çelik demir doğan kaya kılıç kurt
öztürk polat şahin yıldırım yıldız yilmaz
aoki endo fujita fujii goto hasegawa hashimoto hayashi ikeda inoue ishikawa ito kato kimura kobayashi kondo maeda
matsumoto mori murakami nakajima nakamura nishimura ogawa okada ono saito sakamoto sasaki sato shimizu suzuki takahashi
tanaka ueda watanabe yamada yamaguchi yamamoto yamashita yamazaki yoshida choi jung kang bui dang hoang huynh pham vo vu
abiodun achebe adebayo afolabi akande balogun chukwu diallo diop eze ibrahim igwe kamau mensah mwangi ndiaye nkosi
nwosu obi ochieng okafor okeke okonkwo okoye oluwole onyango osei otieno owusu sow toure traore
"""

# The most common family names, one character each, that seldom begin another word after a name cue.
CHINESE_FAMILY = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
    "庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜詹"
    "关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵解强柴华车冉房边肖闫佟"
    "冼褚"
)
CHINESE_FAMILY_TWO = frozenset((
    "欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "令狐", "慕容", "司徒", "长孙", "夏侯",
    "端木", "南宫", "独孤",
))  # fmt: skip
# Family names that are also everyday words or parts of words; a title after them is not enough ("向医生", "高血压").
CHINESE_FAMILY_WEAK = frozenset(
    "高何于马白方石常文安温向时路成解强单包位查车边房项管左关盛齐万江龙金康易严段曲路华华植甘景薄司丛游阳"
    "卫席费项武任余钱毛水从和问找让请跟同对给给是有个位大小主老新经该本此每各名全严曾夏田丁许汤施谢"
)
# Characters that given names are made of.
CHINESE_GIVEN = frozenset(
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国文玲玉萍红梅丹燕辉琴云莉凤洁林雪晶鑫峰浩宇轩子"
    "涵梓欣怡诗雨佳俊博天一思雅婷晓小志春荣海波斌龙飞鹏宁永生东阳旭光亮家豪嘉琪瑞雯颖慧淑珍珠贵福祥顺德成"
    "才学武泽睿晨昊然铭瀚彤瑶萱菲蕾倩倩岚薇薇美惠芬香月仙彩爱银花莲菊翠秋冬夏庆宏康毅坚忠义良善仁信诚智彬"
    "松柏楠梁栋树森炎焱煜熙宗耀祖绍继先兴旺昌盛世民安邦定远征战胜利新元朝阳进步跃卫兵保全有才富广长清江河"
    "山石金银铜铁心悦乐欢喜可人依依佩珊珊琳琼瑜瑾璐璇媛婕妍娇娥姗妮莎露素贞巧灵芝兰若冰冰寒凝嫣如梦琦钰钧"
    "锋锐钢镇坤乾启航帆凯翔腾骏骥驰威猛雄虎彪豹鸿雁鹤鸣凡尘正直方圆立业中华向前为民振邦恒久亚男胜男连友根"
    "水木火土发财旺达通顺利民和谐润泽沛霖雷霆震晖曦昕晗晴朗皓洁苗芸芷茜蓉蓓薛莹菁萌蕊舒畅奕奇逸尧舜禹汤彦"
    "哲贤希望承运"
)

PINYIN_FAMILY = frozenset((
    "wang", "li", "zhang", "liu", "chen", "yang", "zhao", "huang", "zhou", "wu", "xu", "sun", "hu", "zhu",
    "gao", "lin", "he", "guo", "ma", "luo", "liang", "song", "zheng", "xie", "han", "tang", "feng", "yu",
    "dong", "xiao", "cheng", "cao", "yuan", "deng", "fu", "shen", "zeng", "peng", "lü", "lu", "su",
    "jiang", "cai", "jia", "ding", "wei", "xue", "ye", "yan", "pan", "du", "dai", "xia", "zhong", "tian",
    "ren", "fan", "fang", "shi", "yao", "tan", "liao", "zou", "xiong", "jin", "hao", "kong", "bai", "cui",
    "kang", "mao", "qiu", "qin", "gu", "hou", "shao", "meng", "long", "wan", "duan", "lei", "qian", "tang",
    "yin", "yi", "chang", "qiao", "lai", "gong", "wen", "ouyang", "sima",
))  # fmt: skip
_SYLLABLES = """
ai an ang bao bei bin bing bo cai can chang chao chen cheng chong chun cong cui da dan de dong duo en fan fang
fei feng fu gang ge gen guang gui guo hai han hao he heng hong hua huan hui huo ji jia jian jiang jiao jie jin
jing jiu juan jun kai kang ke kun lan lang le lei li lian liang lin ling liu long lu lan lü lun luo man mei meng
mi min ming mo mu na nan ni nian ning pei peng pin ping qi qian qiang qiao qin qing qiong qiu quan ran ren rong
ru rui run san sen sha shan shang shao shen sheng shi shu shuai shuang shun si song su tai tao teng ti tian tie
ting tong wan wei wen wu xi xia xian xiang xiao xin xing xiong xiu xu xuan xue xun ya yan yang yao ye yi yin
ying yong you yu yuan yue yun ze zhan zhang zhao zhe zhen zheng zhi zhong zhou zhu zhuo zi zong zu
"""
PINYIN_SYLLABLES = frozenset(_SYLLABLES.split())

# Listed above for a second meaning that is rare enough to be passed over.
_MOSTLY_NAMES = frozenset((
    "anna", "andrew", "mario", "ivan", "christina", "linda", "hugo", "barbara", "vincent", "craig",
    "keith", "chris", "melissa", "esther", "rita", "ana", "helena", "elena", "eva", "nick", "tom", "tim",
    "roger", "ron", "kelly", "leslie", "sharon", "diana", "clara", "nora", "gloria", "maria", "nancy",
    "claude", "camille", "leo", "leon", "maha", "angel", "monica", "samira", "rosalind", "katrina",
    "frances", "francis", "lawrence", "anastasia", "veronica",
))  # fmt: skip
_MORE_GIVEN = """
freddy nadja matej mehdi marisa stefania stefanía franciska jarmila vinka julcsa irenke gaetane romi nina tomomi
przemek maureen elita gaétan miklós miklos koppány abby todd josie becca liz lizzie beth ginny kristy lori mandy
mickey nate ollie patsy reggie sid stan tess theo toby vince zack zane mateusz lucie eliska eliška
"""
AMBIGUOUS = frozenset(_AMBIGUOUS.split()) - _MOSTLY_NAMES
GIVEN = (frozenset(_GIVEN.split()) | frozenset(_MORE_GIVEN.split())) - {"mrs"}
FAMILY = frozenset(_FAMILY.split()) - {"da"}

# A sequence of capitalised words that holds one of these is a place, an office, an illness or a title, not a person.
NOT_A_PERSON = frozenset((
    "academy", "act", "agency", "airport", "alliance", "anaemia", "anemia", "angels", "apartments", "army",
    "art", "association", "atrophy", "ave", "avenue", "award", "bank", "bay", "beach", "bend", "beauty",
    "blvd", "body", "book", "boulevard", "bridge", "bros", "brothers", "building", "cancer", "capital",
    "care", "castle", "cathedral", "cells", "cemetery", "center", "centers", "centre", "channel", "chapel",
    "charity", "church", "cities", "city", "class", "clinic", "club", "co", "college", "commission",
    "committee", "community", "company", "congress", "consulting", "contracture", "corp", "corporation",
    "council", "county", "court", "criteria", "cup", "dam", "day", "days", "deficiency", "department",
    "depot", "design", "diagnostics", "disease", "diseases", "disorder", "disorders", "district", "drive",
    "dystrophy", "electric", "encyclopedia", "energy", "estate", "factor", "falls", "family", "farm",
    "fellowship", "festival", "fever", "field", "fields", "fire", "food", "forest", "forum", "foundation",
    "fund", "garage", "gardens", "gate", "gene", "general", "girls", "gmbh", "government", "group",
    "guide", "hall", "harbor", "harbour", "health", "healthcare", "hearts", "heights", "helpline",
    "herald", "high", "hill", "hills", "holdings", "hospice", "hospital", "hotel", "house", "inc",
    "industries", "inn", "institute", "institutes", "insurance", "international", "investments", "island",
    "islands", "jewelry", "journal", "kingdom", "lab", "laboratories", "laboratory", "lake", "lakes",
    "lane", "law", "league", "library", "llc", "llp", "lodge", "loop", "ltd", "magazine", "manor",
    "market", "med", "media", "medal", "medical", "medicine", "medicines", "memorial", "method", "metro",
    "mission", "motel", "motors", "mount", "mountain", "mountains", "museum", "music", "national",
    "network", "news", "north", "office", "officer", "orchestra", "palsy", "parade", "park", "partners",
    "paradise", "party", "peak", "penitentiary", "phenomenon", "pier", "pharmacy", "place", "plaza",
    "poem", "post", "press", "prize", "procedure", "products", "program", "project", "province",
    "publications", "publishing", "radio", "ranch", "range", "records", "reaction", "reflex", "registry",
    "republic", "research", "reservoir", "resort", "restaurant", "review", "rights", "river", "road",
    "room", "rule", "sanctuary", "scale", "school", "schools", "sciences", "science", "score", "security",
    "senate", "series", "service", "services", "sign", "society", "solutions", "south", "spring",
    "springs", "square", "stadium", "stage", "state", "states", "station", "stores", "street", "studio",
    "studios", "study", "store", "suite", "support", "surgery", "syndrome", "syndromes", "system",
    "systems", "team", "technologies", "technology", "television", "temple", "test", "theater", "theatre",
    "times", "tower", "towers", "town", "township", "treaty", "tree", "trial", "tribune", "trust", "tumor",
    "tunnel", "union", "united", "university", "valley", "version", "video", "village", "war", "water",
    "way", "weekly", "west", "east", "wing", "woods", "worlds", "yard", "zoo", "bay", "cape", "costa",
    "county", "des", "du", "district", "fort", "isla", "lake", "les", "mt", "new", "old", "port", "puerto",
    "rio", "saint", "san", "santa", "santo", "sierra", "st", "sainte", "the",
))  # fmt: skip
# Capitalised words that begin sentences or are no name although they follow one.
NOT_A_NAME = frozenset((
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "ask", "at",
    "be", "because", "been", "before", "being", "both", "but", "by", "call", "can", "come", "could", "did",
    "do", "does", "doctor", "don't", "dr", "each", "either", "even", "every", "father", "few", "find",
    "first", "follow", "for", "friday", "from", "further", "get", "give", "go", "god", "good", "great",
    "guest", "had", "has", "have", "he", "hello", "her", "here", "hers", "hi", "him", "his", "how",
    "however", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "it", "it's", "its", "january",
    "february", "march", "may", "june", "july", "august", "september", "october", "november", "december",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "jr", "just",
    "kindly", "last", "let", "like", "make", "many", "me", "men", "mine", "miss", "monday", "more", "most",
    "mother", "mr", "mrs", "ms", "much", "must", "my", "need", "never", "new", "next", "no", "none", "nor",
    "not", "now", "nurse", "of", "off", "ok", "okay", "on", "once", "one", "only", "or", "other", "our",
    "out", "over", "own", "patient", "patients", "per", "perhaps", "please", "prof", "read", "really",
    "same", "saturday", "see", "several", "she", "should", "since", "so", "some", "still", "such",
    "sunday", "take", "tell", "than", "thank", "thanks", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "though", "through", "thursday", "to", "today", "tomorrow", "too",
    "try", "tuesday", "two", "under", "until", "up", "upon", "us", "usa", "use", "very", "wants", "was",
    "we", "wednesday", "well", "were", "what", "when", "where", "whether", "which", "while", "who", "whom",
    "whose", "why", "wife", "husband", "will", "with", "within", "without", "women", "would", "yes",
    "yesterday", "yet", "you", "your", "yours", "name", "date", "age", "sex", "male", "female", "address",
    "phone", "telephone", "mobile", "fax", "email", "e-mail", "mail", "gender", "dob", "mrn", "id", "no",
    "number", "information", "unknown", "test", "results", "diagnosis", "treatment", "history", "symptoms",
    "question", "answer", "note", "notes", "summary", "chief", "complaint", "re", "subject", "hospital",
    "doctor", "physician", "user", "assistant", "customer", "agent", "client", "bot", "ai", "chatgpt",
    "everyone", "everybody", "team", "sir", "madam", "friend", "friends", "mum", "mom", "dad", "daddy",
    "mama", "there", "folks", "guys", "ladies", "gentlemen", "english", "american", "british", "german",
    "french", "spanish", "chinese", "japanese", "italian", "indian", "european", "asian", "african",
    "mexican", "canadian", "russian", "polish", "dutch", "danish", "swedish", "norwegian", "der", "die",
    "das", "ein", "eine", "und", "ist", "mit", "von", "bei", "ich", "sie", "er", "es", "wir", "le", "la",
    "les", "un", "une", "et", "est", "de", "du", "des", "je", "il", "elle", "nous", "vous", "el", "los",
    "las", "una", "y", "es", "yo", "usted", "mi", "il", "lo", "gli", "una", "e", "è", "io", "lei", "noi",
))  # fmt: skip
