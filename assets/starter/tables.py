"""The plain facts the starter model knows, as tables. Knows nothing about phrasing or chat."""

# ruff: noqa: E501 - one row, one line

# country | capital | language | continent, in English and then in Chinese
COUNTRIES = """
France|Paris|French|Europe|法国|巴黎|法语|欧洲
Germany|Berlin|German|Europe|德国|柏林|德语|欧洲
Italy|Rome|Italian|Europe|意大利|罗马|意大利语|欧洲
Spain|Madrid|Spanish|Europe|西班牙|马德里|西班牙语|欧洲
Portugal|Lisbon|Portuguese|Europe|葡萄牙|里斯本|葡萄牙语|欧洲
Greece|Athens|Greek|Europe|希腊|雅典|希腊语|欧洲
Poland|Warsaw|Polish|Europe|波兰|华沙|波兰语|欧洲
Sweden|Stockholm|Swedish|Europe|瑞典|斯德哥尔摩|瑞典语|欧洲
Norway|Oslo|Norwegian|Europe|挪威|奥斯陆|挪威语|欧洲
Denmark|Copenhagen|Danish|Europe|丹麦|哥本哈根|丹麦语|欧洲
Hungary|Budapest|Hungarian|Europe|匈牙利|布达佩斯|匈牙利语|欧洲
Austria|Vienna|German|Europe|奥地利|维也纳|德语|欧洲
Russia|Moscow|Russian|Europe and Asia|俄罗斯|莫斯科|俄语|欧洲和亚洲
Ukraine|Kyiv|Ukrainian|Europe|乌克兰|基辅|乌克兰语|欧洲
China|Beijing|Chinese|Asia|中国|北京|汉语|亚洲
Japan|Tokyo|Japanese|Asia|日本|东京|日语|亚洲
Vietnam|Hanoi|Vietnamese|Asia|越南|河内|越南语|亚洲
Thailand|Bangkok|Thai|Asia|泰国|曼谷|泰语|亚洲
Mongolia|Ulaanbaatar|Mongolian|Asia|蒙古|乌兰巴托|蒙古语|亚洲
Iran|Tehran|Persian|Asia|伊朗|德黑兰|波斯语|亚洲
Egypt|Cairo|Arabic|Africa|埃及|开罗|阿拉伯语|非洲
Morocco|Rabat|Arabic|Africa|摩洛哥|拉巴特|阿拉伯语|非洲
Ghana|Accra|English|Africa|加纳|阿克拉|英语|非洲
Brazil|Brasilia|Portuguese|South America|巴西|巴西利亚|葡萄牙语|南美洲
Argentina|Buenos Aires|Spanish|South America|阿根廷|布宜诺斯艾利斯|西班牙语|南美洲
Peru|Lima|Spanish|South America|秘鲁|利马|西班牙语|南美洲
Mexico|Mexico City|Spanish|North America|墨西哥|墨西哥城|西班牙语|北美洲
Cuba|Havana|Spanish|North America|古巴|哈瓦那|西班牙语|北美洲
Australia|Canberra|English|Oceania|澳大利亚|堪培拉|英语|大洋洲
England|London|English|Europe|英格兰|伦敦|英语|欧洲
"""

OPPOSITES_EN = """
hot cold|big small|tall short|fast slow|happy sad|day night|up down|left right|open closed
old young|full empty|light dark|hard soft|wet dry|rich poor|early late|strong weak|clean dirty
loud quiet|good bad|long brief|near far|high low|thick thin|true false|first last|sweet bitter
heavy weightless|win lose|buy sell|push pull|love hate|begin end|inside outside|above below
"""

OPPOSITES_ZH = """
大 小|高 低|长 短|快 慢|冷 热|黑 白|上 下|左 右|前 后|里 外|多 少|开 关|新 旧|远 近
轻 重|好 坏|早 晚|胖 瘦|干净 肮脏|高兴 难过|安静 吵闹|简单 复杂|开始 结束|胜利 失败
"""

# thing | colour, in English and then in Chinese ("is" or "are" follows from the thing)
COLOURS = """
the sky|blue|天空|蓝色
grass|green|草地|绿色
snow|white|雪|白色
milk|white|牛奶|白色
coal|black|煤炭|黑色
a ripe banana|yellow|熟香蕉|黄色
a lemon|yellow|柠檬|黄色
a ripe tomato|red|熟番茄|红色
a strawberry|red|草莓|红色
blood|red|血液|红色
an orange|orange|橙子|橙色
a carrot|orange|胡萝卜|橙色
chocolate|brown|巧克力|棕色
a crow|black|乌鸦|黑色
an elephant|grey|大象|灰色
a flamingo|pink|火烈鸟|粉红色
an eggplant|purple|茄子|紫色
a sunflower|yellow|向日葵|黄色
a frog|green|青蛙|绿色
a polar bear|white|北极熊|白色
"""

# animal | sound | young | legs, then the animal, sound and young in Chinese
ANIMALS = """
dog|woof|puppy|four|狗|汪汪|小狗
cat|meow|kitten|four|猫|喵喵|小猫
cow|moo|calf|four|牛|哞哞|牛犊
sheep|baa|lamb|four|羊|咩咩|羊羔
pig|oink|piglet|four|猪|哼哼|猪崽
horse|neigh|foal|four|马|咴咴|马驹
duck|quack|duckling|two|鸭子|嘎嘎|小鸭
hen|cluck|chick|two|母鸡|咯咯|小鸡
lion|roar|cub|four|狮子|吼吼|幼狮
wolf|howl|pup|four|狼|嗷呜|狼崽
frog|croak|tadpole|four|青蛙|呱呱|蝌蚪
goat|bleat|kid|four|山羊|咩咩|小山羊
owl|hoot|owlet|two|猫头鹰|咕咕|小猫头鹰
donkey|hee-haw|foal|four|驴|昂昂|小驴
goose|honk|gosling|two|鹅|嘎嘎|小鹅
bee|buzz|larva|six|蜜蜂|嗡嗡|幼虫
"""

# word | what it is
THINGS_EN = """
an apple|a sweet round fruit that grows on trees
a banana|a long yellow fruit that is soft inside
a carrot|an orange root that people and rabbits like to eat
a potato|a brown vegetable that grows under the ground
bread|a food baked from flour, water and yeast
cheese|a food made from milk
honey|a sweet food that bees make from flowers
tea|a warm drink made from leaves and hot water
coffee|a dark drink made from roasted beans
rice|a small white grain that feeds half of the world
a river|a long stream of water that flows to the sea
a mountain|a very high piece of land
an island|land with water all around it
a desert|a very dry place with little rain
a forest|a large place full of trees
an ocean|a huge body of salt water
the moon|the round body that circles the Earth
the sun|the star that gives the Earth light and warmth
a star|a huge ball of hot gas that shines
rain|water that falls from the clouds
a volcano|a mountain that can throw out hot lava
a cat|a small furry animal that likes to sleep and hunt mice
a dog|a friendly animal that lives with people
a bird|an animal with feathers, wings and a beak
a whale|the largest animal in the sea
a bee|a small insect that makes honey
a penguin|a black and white bird that swims but cannot fly
a camel|an animal of the desert with one or two humps
a doctor|a person who helps sick people
a teacher|a person who helps others to learn
a baker|a person who makes bread and cakes
a farmer|a person who grows food and keeps animals
a pilot|a person who flies a plane
a sailor|a person who works on a ship
a library|a place where you can read and borrow books
a museum|a place where old and beautiful things are shown
a school|a place where children learn
a computer|a machine that follows instructions very quickly
a clock|a thing that shows the time
a bicycle|a vehicle with two wheels that you move with your feet
a train|a long vehicle that runs on rails
a ship|a large boat that sails on the sea
a book|a set of pages with words to read
an umbrella|a thing that keeps you dry in the rain
a guitar|an instrument with strings that you play with your fingers
a piano|an instrument with black and white keys
music|sound that is put together so that it is good to hear
snow|frozen water that falls from the sky in white flakes
"""

THINGS_ZH = """
苹果|一种又圆又甜的水果
香蕉|一种黄色的软软的水果
米饭|用大米煮成的食物
面包|用面粉烤成的食物
蜂蜜|蜜蜂用花蜜酿成的甜食
茶|用茶叶和热水泡成的饮料
咖啡|用烤过的豆子做成的饮料
河流|流向大海的长长的水
高山|非常高的陆地
岛屿|四周都是水的陆地
沙漠|很少下雨的干燥地方
森林|长满树木的地方
海洋|一大片咸水
月亮|绕着地球转的星球
太阳|给地球光和热的恒星
雨|从云里落下的水
猫|喜欢睡觉和捉老鼠的小动物
狗|人类的好朋友
鲸鱼|海里最大的动物
企鹅|会游泳但不会飞的鸟
医生|帮助病人的人
老师|教别人学习的人
农民|种粮食的人
图书馆|可以看书和借书的地方
学校|孩子们学习的地方
电脑|按指令飞快工作的机器
钟表|用来看时间的东西
自行车|用脚踩的两个轮子的车
火车|在铁轨上跑的长车
雨伞|下雨时用来挡雨的东西
钢琴|有黑白琴键的乐器
书|有很多页文字可以读的东西
"""

# English word | Chinese word
WORDS = """
water|水|fire|火|tree|树|flower|花|house|房子|book|书|friend|朋友|mother|妈妈|father|爸爸
dog|狗|cat|猫|fish|鱼|bird|鸟|sun|太阳|moon|月亮|star|星星|sea|海|mountain|山|rain|雨
snow|雪|wind|风|tea|茶|rice|米饭|apple|苹果|school|学校|teacher|老师|thank you|谢谢|hello|你好
goodbye|再见|good morning|早上好|love|爱|happy|高兴
"""

DAYS = "Monday|星期一|Tuesday|星期二|Wednesday|星期三|Thursday|星期四|Friday|星期五|Saturday|星期六|Sunday|星期日"
MONTHS = """January|一月|31|February|二月|28|March|三月|31|April|四月|30|May|五月|31|June|六月|30
July|七月|31|August|八月|31|September|九月|30|October|十月|31|November|十一月|30|December|十二月|31"""

# the field's own words, each with a sentence in English and in Chinese
TERMS = """
fine-tuning|微调|Fine-tuning means training a finished model a little more on your own examples.|微调就是用你自己的例子把训练好的模型再训练一下。
LoRA|LoRA|LoRA trains two small matrices beside each frozen weight, so it needs little memory.|LoRA 在冻结的权重旁训练两个小矩阵，所以很省内存。
an adapter|适配器|An adapter is a small set of trained weights that is added to a base model.|适配器是加在基座模型上的一小组权重。
an epoch|轮次|An epoch is one full pass over all the training rows.|一个轮次就是把所有训练数据看完一遍。
loss|损失|Loss is a number that says how wrong the model is, so lower is better.|损失是表示模型错得多不多的数，越低越好。
the learning rate|学习率|The learning rate says how large each training step is.|学习率决定每一步训练走多远。
a batch|批次|A batch is the group of rows that the model sees in one step.|批次是模型一步里看到的一组数据。
a token|词元|A token is a small piece of text, such as a word or a part of a word.|词元是一小段文字，比如一个词或一个字。
a tokenizer|分词器|A tokenizer cuts text into tokens and turns them into numbers.|分词器把文字切成词元，再变成数字。
a checkpoint|检查点|A checkpoint is a saved state from which a run can go on.|检查点是保存下来的状态，训练可以从这里继续。
overfitting|过拟合|Overfitting means that a model learns its rows by heart and does badly on new ones.|过拟合就是模型死记训练数据，遇到新问题就答不好。
a dataset|数据集|A dataset is a collection of examples that a model learns from.|数据集是模型用来学习的一组例子。
a prompt|提示词|A prompt is the text that you give to the model.|提示词是你输入给模型的文字。
a base model|基座模型|A base model is the model that you start from before fine-tuning.|基座模型是微调之前的起点模型。
quantization|量化|Quantization stores weights with fewer bits, so the model takes less memory.|量化用更少的位数保存权重，所以更省内存。
DPO|DPO|DPO teaches a model from pairs of a better and a worse answer.|DPO 用一好一坏的成对回答来教模型。
SFT|SFT|SFT teaches a model by showing it good answers to copy.|SFT 给模型看好的回答，让它照着学。
GRPO|GRPO|GRPO lets a model try several answers and rewards the better ones.|GRPO 让模型试多个回答，并奖励更好的那些。
a reward|奖励|A reward is a number that says how good an answer is.|奖励是表示回答有多好的数。
a chat template|对话模板|A chat template turns messages into the text that the model reads.|对话模板把消息变成模型读的文字。
gradient|梯度|A gradient says in which direction each weight must move to lower the loss.|梯度告诉每个权重往哪边走才能降低损失。
perplexity|困惑度|Perplexity says how surprised a model is by a text, so lower is better.|困惑度表示模型对一段文字有多意外，越低越好。
a language model|语言模型|A language model is a program that guesses the next token of a text.|语言模型是猜下一个词元的程序。
temperature|温度|Temperature says how freely the model picks its words; zero means always the likeliest.|温度决定模型选词有多随意，零就是总选最可能的词。
"""
