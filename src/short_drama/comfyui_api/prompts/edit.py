"""What an edit prompt asks of the local preview, in words of English or Chinese.

All or nothing: a prompt is followed only if every word of it is understood. Half of "make it black
and white and add a dog" would be a completed task without a dog; a refusal that names the dog
costs a second and nothing else.
"""

from typing import Final

from short_drama.comfyui_api.prompts.phrasebook import Phrasebook, Term, listed, quoted
from short_drama.domain.errors import PromptUnsupported

_SUBJECT: Final = r"(?:the |her |his |my )?(?:subject|person|people|woman|man|face|foreground)"
_PICTURE: Final = r"(?:the |this |my )?(?:whole |entire )?(?:image|photo(?:graph)?|picture|it|shot)"

TERMS: Final = {
    "keep_subject_sharp": Term(
        rf"(?:keep|leave|with) {_SUBJECT} (?:is |in )?(?:sharp|focus|crisp)"
        rf"|(?:do not|don't|without) blur(?:ring)? {_SUBJECT}",
        "(?:保持|让)?(?:人物|主体|人像|人脸)(?:保持)?清晰|不要模糊(?:人物|主体|人像|人脸)",
    ),
    "blur_background": Term(
        r"(?:blur(?:red|ry|ring|s)?|defocus(?:ed)?|soften|out[- ]of[- ]focus|bokeh)"
        r" (?:of |out )?(?:the |my |a |its )?backgrounds?"
        r"|backgrounds? (?:(?:is |be |to be |should be |look |more |a bit |very |slightly ))*"
        r"(?:blur(?:red|ry|s)?|defocus(?:ed)?|out[- ]of[- ]focus|soft|bokeh)"
        r"|background blur|bokeh|shallow depth of field|shallow focus|portrait mode",
        "(?:背景|后景)(?:部分)?(?:更加|更|变得|变|要|进行|稍微|做)?(?:虚化|模糊|柔焦|虚)"
        "|(?:虚化|模糊|柔化)(?:一下|掉)?(?:背景|后景)|浅景深|散景",
    ),
    "line_art": Term(
        r"line[- ]?arts?|line[- ]drawings?|ink[- ](?:lines?|drawing)|outlines?(?: only)?|lineart",
        "线稿|线描|勾线|线条画|线条图",
    ),
    "pencil_sketch": Term(
        r"(?:pencil|graphite|charcoal|hand[- ]drawn)[- ](?:sketch(?:es)?|drawings?)"
        r"|pencil|sketch(?:es|ed|y)?",
        "铅笔素描|铅笔画|素描|速写|铅笔",
    ),
    "cartoon": Term(
        r"cartoon(?:s|ish|y|ized?|ised?|ify)?|comics?(?:[- ]book)?|cel[- ]shad(?:ed|ing)|anime",
        "卡通化|卡通|漫画|动漫|动画",
    ),
    "black_and_white": Term(
        r"black[- ]*(?:and|&|n)?[- ]*white|b ?[&/]? ?w|b and w|gr[ae]y[- ]?scale"
        r"|monochrom(?:e|atic)"
        r"|desaturate (?:it )?(?:completely|fully)|(?:remove|drop) (?:all )?(?:the )?colou?rs?",
        "黑白|灰度|单色|去色|去掉(?:所有)?(?:颜色|色彩)",
    ),
    "sepia": Term(
        r"sepia|vintage|retro|old[- ](?:photo(?:graph)?|film|time)|antique|nostalgic|faded print",
        "复古|怀旧|老照片|旧照片|泛黄|棕褐色|褐色",
    ),
    "vignette": Term(
        r"vignett(?:e[ds]?|ing)|dark(?:er|en(?:ed)?)? (?:the )?(?:edges|corners|borders?)",
        "暗角|晕影|四角变暗|压暗四角|边缘变暗",
    ),
    "night": Term(
        r"night[- ]?(?:time)?|at night|day[- ]for[- ]night|moonlit|moonlight",
        "夜晚|夜景|夜间|黑夜|晚上|深夜|月光|夜色",
    ),
    "darker": Term(
        r"dark(?:er|en(?:s|ed)?)?|dim(?:mer|med)?|less (?:bright|light)|under-?exposed?"
        r"|(?:lower|reduce|decrease|turn down) (?:the )?(?:brightness|exposure|light)",
        "(?:降低|减少|调低)(?:图片|画面|照片)?(?:的)?(?:亮度|曝光)|变暗|调暗|暗一些|暗一点|更暗"
        "|压暗|加深|昏暗|暗",
    ),
    "brighter": Term(
        r"bright(?:er|en(?:s|ed)?)?|light(?:er|en)|over-?exposed?"
        r"|(?:more|higher|increase|raise|boost|add) (?:the )?(?:brightness|exposure|light)",
        "(?:提高|增加|调高|提升)(?:图片|画面|照片)?(?:的)?(?:亮度|曝光)|变亮|调亮|亮一些|亮一点"
        "|更亮|提亮|加亮|明亮|亮(?!度)",
    ),
    "contrast": Term(
        r"(?:high(?:er)?|more|increased?|strong(?:er)?|boost(?:ed)?|raise|add|greater|punchy)"
        r"[- ](?:the )?contrast|contrasty|punchier",
        "(?:提高|增加|增强|加强|加大|提升|高)(?:图片|画面|照片)?(?:的)?对比度?"
        "|对比度?(?:更强|更高|提高|增强|高|强)|高反差",
    ),
    "muted": Term(
        r"(?:less|lower|reduced?|decreased?) (?:the )?(?:saturat(?:ed|ion)|colou?r(?:s|ful)?)"
        r"|muted|desaturat(?:ed?|ion)|washed[- ]out|pale(?:r)?",
        "(?:降低|减少|调低)(?:图片|画面)?(?:的)?饱和度?|低饱和度?|褪色|淡色|素雅|淡雅",
    ),
    "saturated": Term(
        r"(?:highly |over)?saturated?|(?:more|higher|increase|boost|add) (?:the )?saturation"
        r"|vivid|vibran(?:t|ce|cy)|colou?rful"
        r"|(?:more|stronger|richer|bolder) colou?rs?",
        "(?:提高|增加|增强|调高|提升|高)(?:图片|画面)?(?:的)?饱和度?|鲜艳|艳丽|鲜明|浓郁",
    ),
    "warmer": Term(
        r"warm(?:er|th|ed|ly)?|golden(?:[- ]hour)?", "暖色调?|暖调|偏暖|更暖|变暖|温暖|暖"
    ),
    "cooler": Term(
        r"cool(?:er|[- ](?:tones?|toned|colou?rs?|light|look|palette))|cold(?:er)?|bluish|bluer",
        "冷色调?|冷调|偏冷|更冷|变冷|冷",
    ),
    "sharper": Term(r"sharp(?:er|en(?:ed|s)?)|crisper|more (?:sharp|detail)", "锐化|更清晰|变清晰"),
    "negative": Term(
        r"invert(?:ed)?(?: (?:the )?colou?rs?)?|colou?r inversion|photo(?:graphic)? negative",
        "反色|反相|负片|底片",
    ),
    "upside_down": Term(
        rf"rotat(?:e|ed) (?:{_PICTURE} )?(?:by )?180 ?(?:degrees?|°|deg)"
        rf"|(?:(?:flip|turn|rotate)(?:ed|ped)? (?:{_PICTURE} )?)?upside[- ]down",
        "旋转180度|旋转一百八十度|上下颠倒|倒转|倒过来",
    ),
    "mirrored": Term(
        rf"(?:mirror(?:ed)?|flop(?:ped)?|flip(?:ped)?) {_PICTURE}(?: horizontally| left to right)?"
        r"|mirror(?:ed)?|flop(?:ped)?|flip(?:ped)?(?: (?:horizontally|left to right))",
        "水平翻转|左右翻转|左右镜像|水平镜像|镜像",
    ),
    "rotated_left": Term(
        rf"rotat(?:e|ed) (?:{_PICTURE} )?(?:by )?(?:90 ?(?:degrees?|°|deg) )?"
        r"(?:to the )?(?:left|counter[- ]?clockwise|anti[- ]?clockwise)"
        r"(?: (?:by )?90 ?(?:degrees?|°|deg))?",
        "(?:向左旋转|左转|逆时针旋转|逆时针转)(?:90|九十)?度?",
    ),
    "rotated_right": Term(
        rf"rotat(?:e|ed) (?:{_PICTURE} )?(?:by )?(?:90 ?(?:degrees?|°|deg) )?"
        r"(?:to the )?(?:right|clockwise)(?: (?:by )?90 ?(?:degrees?|°|deg))?",
        "(?:向右旋转|右转|顺时针旋转|顺时针转)(?:90|九十)?度?",
    ),
}

_ENGLISH_FILLER: Final = r"""
    please can could would you i want like need to make turn convert transform change render give
    apply use set put let get have create do draw redraw add
    it this that the a an my its image picture photo photograph portrait shot still frame scene
    whole entire everything all overall into in as of with and also plus for on at by be is are
    look looks looking feel feeling mood atmosphere style styled styles effects? filter mode tones?
    toned colou?rs? light lighting version drawing art print film much more very really bit little
    lot slightly somewhat so just quite too will should kind sort nice beautiful
"""

_CHINESE_FILLER: Final = (
    "请 帮我 帮忙 麻烦 我想要 我想 我要 想要 希望 把 将 给 让 使 对 这张 这幅 这个 这 一张 "
    "一幅 一个 张 幅 图片 照片 相片 图像 画面 图 整张 整个 整体 全部 全 它 变成 变得 变为 变 "
    "转换成 转换为 转换 转成 转为 改成 改为 做成 处理成 处理 调整 调整为 调成 调得 调 弄成 "
    "弄得 弄 设为 设置 加上 添加 增加 加个 加 使用 用 应用 风格 效果 滤镜 色调 色彩 颜色 光线 "
    "模式 样式 版本 感觉 氛围 的 得 地 了 一点儿 一点 一些 一下 点 些 更加 更 再 很 非常 十分 "
    "稍微 稍 略微 略 有点 比较 要 并且 并 而且 同时 还有 还 也 和 以及 及 与 到 为 成 是 吧 呢 "
    "啊 进行 做 化 画 色"
)

_BOOK: Final = Phrasebook(TERMS, _ENGLISH_FILLER, _CHINESE_FILLER)


def read(prompt: str, supported: str) -> frozenset[str]:
    """The names of the terms that `prompt` asks for.

    Raises PromptUnsupported, naming the words not understood or the contradiction, if that is not
    all that it says; `supported` is the list the artist is shown then.
    """
    phrases = _BOOK.read(prompt)
    wanted, refused = (
        {found.name for phrase in phrases if phrase.negated is no for found in phrase.found}
        for no in (False, True)
    )
    if unread := [word for phrase in phrases for word in phrase.unread]:
        raise _unsupported(f"the preview does not understand {listed(unread)}", prompt, supported)
    if wanted & refused:
        raise _unsupported("the prompt asks for an operation and against it", prompt, supported)
    wanted.discard("keep_subject_sharp")  # true of every operation here, so nothing to do
    if not wanted:
        raise _unsupported("the preview finds no operation to apply", prompt, supported)
    return frozenset(wanted)


def _unsupported(reason: str, prompt: str, supported: str) -> PromptUnsupported:
    return PromptUnsupported(
        f"{reason} in {quoted(prompt)}; nothing was applied",
        field="prompt",
        fix=f"Ask only for: {supported}. Free prompts need ComfyUI.",
    )
