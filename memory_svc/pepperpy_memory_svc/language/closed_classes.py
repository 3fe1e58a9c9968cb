"""Articles, pronouns, prepositions, conjunctions and auxiliary verbs of some languages.

Only these: whatever somebody may ask for stays a word.
"""

from typing import Final

CLOSED_CLASSES: Final = {
    "en": """
        a an the this that these those some any each every either neither no such
        i me my mine myself we us our ours ourselves you your yours yourself yourselves
        he him his himself she her hers herself it its itself they them their theirs themselves
        who whom whose which what where when why how there here
        of in on at by to from with without into onto upon about as for than then through during
        before after above below between among against over under up down out off
        and or but nor so if because while until although though whether
        am is are was were be been being do does did doing done have has had having
        can could will would shall should may might must ought
        not only very too also just again once more most other own same both few all
        i'm i've i'll i'd you're you've you'll you'd he's she's it's we're we've we'll they're
        they've they'll that's there's what's who's let's isn't aren't wasn't weren't don't doesn't
        didn't hasn't haven't hadn't can't couldn't won't wouldn't shan't shouldn't mustn't
    """,
    "es": """
        el la los las lo un una unos unas al del este esta esto estos estas ese esa eso esos esas
        aquel aquella aquello aquellos aquellas algún alguno alguna algunos algunas ningún ninguno
        ninguna otro otra otros otras cada todo toda todos todas mismo misma mismos mismas
        yo me mí conmigo tú te ti contigo él ella ello le se sí consigo nosotros nosotras nos
        vosotros vosotras os ellos ellas les usted ustedes mi mis tu tus su sus nuestro nuestra
        nuestros nuestras vuestro vuestra vuestros vuestras mío mía míos mías suyo suya suyos suyas
        que qué quien quién quienes quiénes cual cuál cuales cuáles cuyo cuya cuyos cuyas
        donde dónde cuando cuándo como cómo cuanto cuánto cuanta cuánta cuantos cuántos
        a ante bajo con contra de desde durante en entre hacia hasta para por según sin sobre tras
        y e o u ni pero sino aunque porque pues si mientras no muy más menos ya también tampoco
        soy eres es somos sois son era eras éramos erais eran fui fuiste fue fuimos fueron ser sido
        siendo sea sean será serán sería serían estoy estás está estamos están estaba estaban
        estuvo estuvieron estar estado esté estén he has ha hemos habéis han había habían hubo
        haber habido haya hayan habrá habría hay
    """,
    "ru": """
        я меня мне мной мною мы нас нам нами ты тебя тебе тобой вы вас вам вами
        он его ему им нём она её ей ею ней оно они их ими них ними себя себе собой сам
        сама само сами мой моя моё мои моего моей моих твой твоя твоё твои наш наша наше наши нашей
        ваш ваша ваше ваши свой своя своё свои своего своей своих этот эта это эти этого этой этих
        этом этому тот та то те того той тех том тому такой такая такое такие
        кто кого кому кем ком что чего чему чем чём который которая которое которые которого
        которой которых где куда откуда когда почему зачем как какой какая какое какие сколько
        в во на с со к ко о об обо от ото из изо у по под над за до для при про через между без
        и или а но да же ли бы б ни не если чтобы хотя потому так тоже также уже ещё лишь только
        быть был была было были будет будут буду будешь будем есть там тут здесь вот
    """,
    "vi": """
        và hoặc hay nhưng mà thì là nếu vì do nên để bởi tuy dù song
        của cho với từ đến tới trong ngoài trên dưới ở tại về vào ra lên theo bằng qua
        các những một mọi mỗi này kia đó ấy nọ đây đấy
        tôi ta mình bạn chúng nó họ hắn ai gì nào đâu sao bao
        đã đang sẽ vẫn còn cũng đều rất quá lắm hơn nhất chỉ không chưa chẳng được bị phải có
    """,
}
"""By language; words are apart by white space."""
