"""Phrases that patterns draw on. A phrase may name other lists in braces; each list is expanded into a pool."""

from __future__ import annotations

PHRASES: dict[str, tuple[int, str]] = {
    # name: (pool size, phrases)
    "ask_write": (
        40,
        "write|please write|can you write|could you draft|I need you to write|help me write|generate|give me|"
        "I want|create|compose|put together|I'm looking for|produce|show me|would you write",
    ),
    "ask_fix": (
        40,
        "How do I fix it?|What am I doing wrong?|Please fix it.|Can you find the bug?|Any idea?|What is going on here?|"
        "Where should I look first?|Give me the corrected version only.|How would you debug this?|Help.",
    ),
    "ask_review": (20, "review|please check|have a look at|go over|critique|do a code review of|comment on"),
    "ask_solve": (
        20,
        "solve|please solve|find the solution of|help me solve|I can't solve|work out|solve step by step",
    ),
    "ask_explain": (
        30,
        "explain|can you explain|what is|tell me about|help me understand|give me an overview of|how does it work:|"
        "I never understood|in simple terms, what is|walk me through",
    ),
    "ask_extract": (
        60,
        "Extract every {noun} and {noun}|Pull out names, dates and amounts|List each {actor} and what they did|"
        "Find all places and numbers|Collect the {noun}, its date and the responsible {actor}|Get the key facts",
    ),
    "ask_classify": (
        60,
        "Decide whether this is a complaint, a question or praise.|Classify the sentiment as positive, neutral or negative.|"
        "Which department should handle this: {service}, {service} or {service}?|Is the {noun} mentioned? Answer yes or no.|"
        "Assign one of these labels: {service}, {service}, {service}, other.|Rate the urgency from 1 to {n}.",
    ),
    "like_who": (
        20,
        "?|.| to a child.| like I'm five.| for an exam.| in {n} sentences.| with an example.| briefly.",
    ),
    "when_q": (12, "when|where|why does it matter|what came of it|who disagreed"),
    "code_rule": (
        120,
        'handle {n} concurrent requests|avoid copying {cobj}|retry on "{err}"|keep {var} sorted|work without {lib}|'
        "use at most {n} MB of memory|return early when {var} is empty|log to {path}|support {format} output|"
        "be idempotent|time out after {n} seconds|page through {big} rows|validate {var} first|run inside {lib}",
    ),
    "code_rule_ing": (
        40,
        "grouped by {var}|ordered by {var}|excluding nulls|for the last {n} days|with a running total|one row per {var}",
    ),
    "things": (
        30,
        "apples|marbles|books|stickers|eggs|tickets|bricks|pencils|coins|seeds|cards|bottles|chairs|stamps|beads|bolts|"
        "oranges|boxes|tiles|candles|shells|buttons|muffins|plates|screws",
    ),
    "thing": (
        20,
        "notebook|bicycle|lamp|jacket|ticket|backpack|kettle|textbook|phone case|pizza|pair of gloves|chair",
    ),
    "nth": (8, "n-th|k-th|general"),
    "math_ask": (
        40,
        "How much is left?|How many are there in total?|What is the final price?|How long does it take?|How many does each get?|"
        "What is the ratio?|How many more are needed?|What percentage is that?|When do they meet?|What is the average?|"
        "How much did {name} spend?|What is the profit?",
    ),
    "math_more": (
        300,
        "{name} then buys {n} more {things}.|Half of them are lost {when}.|They share the rest among {n} friends.|"
        "Each week the number grows by {n}%.|{name} sells {n} {things} for ${n} each.|Twice as many {things} arrive {when}.|"
        "A third of the {things} are broken.|{name} finds {n} {things} and loses {n}.",
    ),
    "show_work": (
        20,
        "||||Show your work.|Give the exact value.|Round to two decimals.|Explain each step.|Just the number.|"
        "Check your answer.|Simplify fully.",
    ),
    "equation": (
        400,
        "{n}x + {n} = {big}|x^2 - {n}x + {n} = 0|{n}x = {n}(x - {n})|log(x) + log({n}) = {n}|{n}^x = {big}|"
        "sqrt(x + {n}) = {n}|{n}x + {n}y = {big} and x - y = {n}|x/{n} + x/{n} = {n}|sin(x) = 1/{n}|x^3 = {big}",
    ),
    "function": (
        200,
        "x^{n} sin(x)|{n}x^3 - {n}x + {n}|e^({n}x)/x|ln(x^2 + {n})|cos({n}x)/{n}|(x + {n})/(x^2 - {n})|x e^(-x/{n})|"
        "sqrt({n} - x^2)|tan(x) + {n}x|{n}/(1 + x^2)",
    ),
    "function_n": (80, "{n}n + {n}|{n}n^2 - n|2^n + {n}|n(n + {n})/2|{n}/n(n+1)|(-1)^n {n}n"),
    "claim": (
        120,
        "the sum of {n} consecutive integers is divisible by {n}|sqrt({n}) is irrational|n^3 - n is a multiple of 6|"
        "there are infinitely many primes of the form {n}k + 1|a graph with {n} edges and {n} vertices has a cycle|"
        "the product of two odd numbers is odd|{n}^n - 1 is divisible by {n} for even n|every {n}-regular graph has a matching",
    ),
    "claim_n": (
        60,
        "n^2 + {n} is a perfect square|{n} divides n + {n}|n! > {big}|gcd(n, {n}) = {n}|n mod {n} = {n}",
    ),
    "goal": (
        900,
        "find the cheapest {noun} near {place}|update the {noun} for {name}|book a table for {n} in {place}|"
        "migrate the {service} service to {lib}|clean up {path}|reply to every open {noun}|compare three offers for a {noun}|"
        "open a ticket about the {adj} {noun}|write and run a script that {code_task}|move {n} {things} from {place} to {place}|"
        'cancel the {noun} of {name}|check why the {service} service returns "{err}"|prepare the {adj} {noun} for {company}|'
        "set up {lib} on {n} machines|summarise the {noun} and mail it to the {actor}|reduce the cost of {service} by {n}%",
    ),
    "agent_rule": (
        80,
        "Use as few calls as possible.|Stop and ask if anything is unclear.|Return the tool call as JSON only.|"
        "Explain the choice in one line.|Do not call {tool} twice.|Confirm with the user before you pay.|"
        "Keep a list of what is done.|If a call fails, try at most {n} times.|Write your plan first.|Think before each call.|",
    ),
    "observation": (
        900,
        "{n} rows, the first is {name}, {place}|status: {adj} {noun} {verb}|no match for '{ident}'|{err}|"
        "the {actor} {verb} the {noun} {when}|balance ${big}|HTTP 404 for /{service}/{n}|{var} = {n}|"
        "{path}.{ext} changed {n} lines|timeout after {n} s|{n} of {n} tests pass|price ${n}, {n} left in stock",
    ),
    "plan_rule": (
        40,
        "Give owners and dates.|Mark the critical path.|List the risks.|Assume a team of {n}.|Keep {n}% as reserve.|"
        "Say what to drop if we are late.|One line per day.|Start with the hardest part.|Use {format}.",
    ),
    "project": (
        300,
        "a move of {n} people to {place}|the launch of a {adj} {noun}|a {sport} camp in {place}|a migration from {lib} to {lib}|"
        "the renovation of a {noun}|a {genre} contest|a conference for {big} guests|opening a shop in {place}|"
        "a {n}-month course on {subject}|a merger with {company}",
    ),
    "month": (12, "January|February|March|April|May|June|July|August|September|October|November|December"),
    "riddle": (
        900,
        "Three {actor}s share {n} {things}; one takes {n}% more than the others. Who has most?|"
        "If every {noun} is {adj} and some {noun} is not, what follows?|A {actor} must cross {place} with {n} {things} in {n} trips. How?|"
        "Which is larger, {n}^{n} or {n}^{n}?|{name} says {name} lies; {name} says {name} tells the truth. Who lies?|"
        "Why might a {actor} have {verb} the {noun} {when}?|What happens to {subject} if {subject} stops?|"
        "How many {things} fit into a {thing} of {n} litres?|In what order should {name}, {name} and {name} sit?",
    ),
    "riddle_np": (
        60,
        "how many {things} {name} has|who {verb} the {noun}|which {noun} is {adj}|when the {actor} left {place}",
    ),
    "cot_ask": (
        60,
        "Think step by step.|Show your reasoning in full.|Explain how you get there before you answer.|Let's work it out slowly.|"
        "List every assumption first.|Reason aloud, then answer.|Write down each step.|Why? Be thorough.|Take your time and check yourself.",
    ),
    "grade_ask": (
        60,
        "Grade the answer.|You are a strict examiner.|Compare the two responses.|Score the response for accuracy and style.|"
        "Judge whether the answer follows the rubric.|Rate the work of this student.|Act as an impartial judge.",
    ),
    "grade_scale": (
        40,
        "Give a score from 1 to {n}.|Answer A or B.|Return {format} with score and reason.|Deduct a point for each error.|"
        "First the reason, then the grade.|Pass or fail?|",
    ),
    "rubric": (
        200,
        "clarity {n} points, accuracy {n} points, sources {n} points|mentions {subject}; cites a {noun}; under {n} words|"
        "correct result, full working, {tone} tone|covers {noun}, {noun} and {noun}",
    ),
    "assistant": (
        60,
        "Ada|Milo|Nova|Pixel|Sage|Atlas|Juno|Orbit|Pip|Quill|Rook|Tango|Echo|Fern|Indigo|Kite|Lark|Moss",
    ),
    "sys_rule": (
        500,
        "Never mention other brands.|Answer in at most {n} sentences.|If the {noun} is missing, ask for it.|Use {format}.|"
        "Be {tone} and {tone}.|Do not give legal or medical advice.|Always greet the {actor} by name.|Quote amounts in euro.|"
        "Refuse anything that is not about the {noun}.|Hand over to a {actor} when the {noun} was {verb}.|"
        "Write like a {tone} {actor}.|Mark uncertain facts with a star.|Keep the original order.|No emojis.|"
        "Give the {noun} first, then the reason.|Mind that the {actor} may have {verb} the {noun}.|Use British spelling.",
    ),
    "follow": (
        200,
        "can you make it shorter?|why?|give me an example|that does not work|are you sure?|say more about the {noun}|"
        "rewrite the second part|what would a {actor} say?|continue|add {n} more|explain the last step again|"
        "and without {lib}?|now do the same for {place}|is there a simpler way?|summarise that in {format}|thanks, but {var} is wrong",
    ),
}

CODE: tuple[str, ...] = (
    "def {ident}({var}):\n    {var2} = []\n    for x in {var}:\n        if x > {n}:\n            {var2}.append({ident2}(x))\n    return {var2}",
    "async function {ident}({var}) {{\n  const {var2} = await {ident2}({var}, {n});\n  return {var2}.filter(x => x !== null);\n}}",
    "func {ident}({var} []int) (int, error) {{\n\tfor i, x := range {var} {{\n\t\tif x == {n} {{\n\t\t\treturn i, nil\n\t\t}}\n\t}}\n"
    '\treturn 0, errors.New("{err}")\n}}',
    "SELECT {var}, COUNT(*) AS {var2}\nFROM {ident}_log\nWHERE {var2} > {n}\nGROUP BY {var}\nORDER BY 2 DESC\nLIMIT {n};",
    "class {Ident}:\n    def __init__(self, {var}={n}):\n        self.{var} = {var}\n\n    def {ident2}(self, {var2}):\n"
    "        with self.lock:\n            self.{var} += len({var2})\n            return self.{var}",
    "fn {ident}({var}: &mut Vec<u64>) -> Option<u64> {{\n    {var}.sort_unstable();\n    {var}.iter().find(|x| **x > {n}).copied()\n}}",
    "try:\n    {var} = {ident}({var2}, timeout={n})\nexcept Exception as error:\n    log.warning('{ident2} failed: %s', error)\n    raise",
    "public int {ident}(Map<String, Integer> {var}) {{\n    return {var}.values().stream().mapToInt(x -> x * {n}).sum();\n}}",
    'for f in $(ls {path}); do\n  {ident} --{var} {n} "$f" || echo "{err}" >&2\ndone',
    "import {lib}\n\n{var} = {lib}.{ident}('{path}.csv')\n{var2} = {var}[{var}['{ident2}'] > {n}].groupby('{var2}').mean()\nprint({var2})",
)

SENTENCES: tuple[str, ...] = (
    "The {actor} {verb} the {noun} {when}.",
    "{name} from {place} says the {actor} {verb} the {adj} {noun} {why}.",
    "A {adj} {noun} was sent to {company} {when}, {why}.",
    "Nobody knows why the {noun} and the {noun2} were {verb} {when}.",
    "Our {actor} {verb} {n} of the {big} {noun}s {why}.",
    "{when_cap}, {name} {verb} the {noun}; the {actor} only heard of it later.",
    "There is still no {noun} for {name}, {why}.",
    "The {noun} costs ${n} more than the {adj} {noun2}.",
    "Please note that the {noun} must be {verb} by the {actor} {when}.",
    "I asked the {actor} about the {noun}, but the {noun2} was {verb} {why}.",
    "{company} wants the {adj} {noun} in {place} {when}.",
    "After {n} days the {actor} {verb} it {why}.",
)

INSTRUCTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    # Clauses of an instruction; a wording takes one phrasing of each clause, in some order.
    "reasoning": (
        (
            "Before the final answer, write out every step of your reasoning",
            "First set down your complete line of thought",
            "Start with a full account of how you think about the problem",
            "Lay out your whole thinking before you conclude",
            "Put the entire deliberation in front of the result",
        ),
        (
            "enclose it in {tag} tags",
            "place it between <{tagname}> and </{tagname}>",
            "wrap this part in {tag}",
            "keep it inside a {tag} block",
            "mark its beginning and end with {tag}",
        ),
        (
            "include dead ends and corrections",
            "do not leave out wrong turns",
            "also keep ideas that you discard",
            "mention what you tried and dropped",
            "show mistakes and how you notice them",
        ),
        (
            "then give the answer on a line of its own",
            "after that, state only the result",
            "finish with a single line that holds the answer",
            "close with the answer and nothing else",
            "the last line is the final answer",
        ),
    ),
    "grading": (
        (
            "Judge the answer below against the rubric",
            "Act as the examiner of the following answer",
            "Assess this response with the criteria given",
            "Evaluate the submission by the listed criteria",
            "Mark the work according to the points below",
        ),
        (
            "give each criterion a score from 0 to 5",
            "award zero to five points per criterion",
            "rate every criterion on a scale of five",
            "score each item between 0 and 5",
            "use a five-point scale for each aspect",
        ),
        (
            "justify each score in two sentences",
            "say in a sentence or two why",
            "add a short reason for every mark",
            "explain each mark briefly",
            "support each score with evidence from the text",
        ),
        (
            "return JSON with the keys score and reason",
            "output a JSON object with score and reason",
            "answer only with JSON: score, reason",
            "the output is JSON that holds score and reason",
            "format the verdict as JSON (score, reason)",
        ),
    ),
    "agent": (
        (
            "Work through the task as an agent with tools",
            "Act as a tool-using agent on this job",
            "Handle the following task by calling tools",
            "Solve the job below with the tools at hand",
            "Carry out this task step by step with tools",
        ),
        (
            "write thought, action and observation for each step",
            "alternate thought, action, observation",
            "log what you think, do and see at every step",
            "record a thought before every call",
            "note the reason for each action",
        ),
        (
            "continue until the goal is met",
            "do not stop before the goal is reached",
            "go on till everything is done",
            "keep going until nothing is left",
            "finish all parts",
        ),
        (
            "end with a summary of the trajectory",
            "close with a short review of all steps",
            "summarise the path at the end",
            "at last, list the steps that mattered",
            "conclude with what you learnt",
        ),
    ),
    "rewriting": (
        (
            "Turn the following notes into a clean training example",
            "Rewrite the material below as a question with its answer",
            "Make a polished question-and-answer pair from this text",
            "Convert the passage into an exercise with a worked solution",
            "Build one exercise and its model answer from the text",
        ),
        (
            "vary the difficulty",
            "choose a fitting difficulty",
            "set the level between easy and hard",
            "make it neither trivial nor impossible",
            "aim at an advanced student",
        ),
        (
            "remove names and dates",
            "leave out personal details",
            "strip whatever identifies people",
            "drop names",
            "anonymise it",
        ),
        (
            "return JSON with question, solution and tags",
            "the output is JSON: question, solution, tags",
            "answer as a JSON object with question, solution, tags",
            "format: JSON with the fields question, solution, tags",
            "give question, solution and tags as JSON",
        ),
    ),
}

TAGS = (
    "think",
    "analysis",
    "reasoning",
    "scratchpad",
    "work",
    "steps",
    "trace",
    "notes",
    "deliberation",
    "cot",
)
