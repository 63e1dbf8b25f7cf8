"""Words and phrases. Lists are written as ``a|b|c``; a phrase may name other lists in braces.

``DOMAINS`` holds what people write about; a domain's sentences are made from its own nouns, verbs and actors.
"""

from __future__ import annotations

DOMAINS: dict[str, dict[str, str]] = {
    "finance": {
        "noun": "invoice|ledger entry|quarterly forecast|credit line|bank statement|tax return|hedge position|"
        "payment run|expense claim|audit trail|loan agreement|margin call|cash reserve|dividend|budget revision",
        "actor": "treasurer|auditor|broker|accountant|lender|controller|payments team|underwriter|regulator",
        "verb": "reconciled|approved|flagged|settled|restated|deferred|wrote off|escalated|booked twice|queried",
    },
    "health": {
        "noun": "discharge summary|blood panel|dosage chart|referral letter|triage note|vaccine record|consent form|"
        "care plan|allergy warning|radiology report|intake form|follow-up visit|insurance code|symptom diary",
        "actor": "nurse|registrar|pharmacist|patient|physiotherapist|ward clerk|general practitioner|surgeon|carer",
        "verb": "recorded|reviewed|postponed|signed off|corrected|requested|double-checked|transferred|misread",
    },
    "retail": {
        "noun": "return label|loyalty card|shopping basket|price tag|stock count|gift voucher|product listing|"
        "warranty claim|delivery slot|size guide|checkout page|discount code|customer review|refund|pair of shoes",
        "actor": "customer|store manager|supplier|cashier|buyer|merchandiser|courier|support agent|shopper",
        "verb": "returned|restocked|marked down|exchanged|ordered|misplaced|complained about|refunded|bundled",
    },
    "logistics": {
        "noun": "pallet|customs form|container|delivery route|bill of lading|cold chain|dock schedule|cargo manifest|"
        "forklift|packing list|tracking number|warehouse aisle|return shipment|fuel surcharge|transit delay",
        "actor": "dispatcher|driver|freight agent|warehouse lead|port authority|carrier|planner|customs officer",
        "verb": "rerouted|unloaded|held back|weighed|released|consolidated|damaged|tracked|rebooked|inspected",
    },
    "law": {
        "noun": "lease|settlement offer|witness statement|liability clause|court filing|non-compete|trade mark|"
        "power of attorney|limitation period|contract annex|disclosure|appeal|arbitration award|data request",
        "actor": "tenant|landlord|solicitor|claimant|judge|counsel|witness|notary|insurer|company secretary",
        "verb": "disputed|drafted|waived|signed|served|amended|withdrew|upheld|breached|negotiated|filed late",
    },
    "travel": {
        "noun": "boarding pass|hotel booking|layover|visa application|rental car|travel insurance|itinerary|seat upgrade|"
        "luggage allowance|train connection|ferry ticket|hiking trail|guided tour|hostel dorm|airport transfer",
        "actor": "passenger|tour guide|airline|travel agent|host|conductor|backpacker|family of four|concierge",
        "verb": "cancelled|rebooked|missed|upgraded|confirmed|lost|recommended|overbooked|planned|postponed",
    },
    "education": {
        "noun": "essay draft|lesson plan|lab report|reading list|grading rubric|field trip|scholarship|lecture slide|"
        "attendance sheet|term paper|group project|vocabulary test|thesis chapter|seminar|exam timetable",
        "actor": "teacher|student|tutor|headteacher|teaching assistant|librarian|examiner|parent|school board",
        "verb": "handed in|graded|rewrote|postponed|explained|presented|plagiarised|praised|summarised|returned",
    },
    "operations": {
        "noun": "deployment|load balancer|error budget|log pipeline|database replica|feature flag|certificate|cron job|"
        "container image|alert rule|cache layer|message queue|rollback plan|build artefact|memory leak",
        "actor": "on-call engineer|platform team|release manager|site owner|database admin|vendor|security team|intern",
        "verb": "rolled back|restarted|patched|paged about|migrated|scaled up|drained|silenced|renamed|profiled",
    },
    "energy": {
        "noun": "smart meter|wind turbine|tariff sheet|battery pack|heat pump|grid connection|solar inverter|gas boiler|"
        "load forecast|carbon credit|charging point|transformer|maintenance window|feed-in contract|outage map",
        "actor": "grid operator|installer|household|meter reader|utility|inspector|plant engineer|energy trader",
        "verb": "inspected|curtailed|metered|connected|replaced|shut down|recalibrated|overcharged|insulated",
    },
    "farming": {
        "noun": "irrigation plan|soil sample|seed order|harvest report|greenhouse|dairy herd|crop rotation|tractor|"
        "weather station|grain silo|pest survey|orchard|feed mix|water permit|organic label",
        "actor": "grower|agronomist|vet|farm hand|cooperative|neighbour|wholesaler|water board|beekeeper",
        "verb": "sprayed|harvested|irrigated|weighed|planted|lost|sold early|fenced off|sampled|fertilised",
    },
    "people": {
        "noun": "job advert|onboarding plan|holiday request|performance review|salary band|exit interview|rota|reference|"
        "training budget|sick note|probation period|team survey|parental leave form|relocation package|timesheet",
        "actor": "recruiter|line manager|new starter|candidate|payroll clerk|union rep|team lead|contractor|director",
        "verb": "approved|rejected|rescheduled|shortlisted|signed|forgot|extended|questioned|backdated|shared",
    },
    "media": {
        "noun": "press release|podcast episode|photo shoot|headline|subtitle file|interview|documentary|newsletter|"
        "front page|sound mix|storyboard|book cover|film script|opinion piece|music video",
        "actor": "editor|photographer|producer|columnist|sound engineer|presenter|translator|publisher|novelist",
        "verb": "cut|published|retracted|recorded|leaked|rewrote|translated|commissioned|illustrated|fact-checked",
    },
    "housing": {
        "noun": "floor plan|mortgage offer|boiler service|garden fence|planning permit|survey report|kitchen sink|roof tile|"
        "deposit|energy certificate|loft conversion|damp patch|parking space|viewing|moving date",
        "actor": "estate agent|builder|plumber|home owner|surveyor|housemate|architect|council officer|electrician",
        "verb": "repaired|measured|listed|delayed|painted|valued|leaked onto|insured|renovated|let out",
    },
    "science": {
        "noun": "telescope image|protein fold|control group|field sample|preprint|reaction rate|climate model|fossil|"
        "error bar|grant proposal|sensor array|gene marker|lab notebook|peer review|particle track",
        "actor": "postdoc|lab technician|reviewer|field team|chemist|statistician|astronomer|biologist|funding body",
        "verb": "measured|replicated|published|discarded|calibrated|modelled|questioned|cited|sequenced|averaged",
    },
}

WORDS: dict[str, str] = {
    "adj": "quick|late|blue|unusual|second|draft|local|final|missing|urgent|quarterly|regional|duplicate|revised|old|"
    "temporary|partial|detailed|internal|public|damaged|expensive|monthly|faulty|original|simple|corrected|large",
    "when": "on Monday|last week|before noon|two days later|in March|over the weekend|after the call|at the last minute|"
    "in the second quarter|yesterday evening|by the end of June|during the night shift|on the 14th|this morning|"
    "three weeks ago|right after lunch|early on Friday|just before the deadline|in late autumn|within the hour",
    "why": "because the numbers did not match|to save time|without telling anyone|as the contract required|for safety reasons|"
    "after a long discussion|since nobody had replied|in spite of the warning|to please the client|by mistake|"
    "although the form was incomplete|so that work could go on|under the new rules|following a complaint|"
    "to avoid a second visit|when the system went down|as agreed in the meeting|for the third time this year",
    "name": "Amara|Bogdan|Chiara|Dmitri|Elif|Farid|Greta|Hiro|Ines|Jonas|Kavya|Lucia|Mateo|Nadia|Omar|Paula|Quentin|Rosa|"
    "Sanjay|Tomas|Uma|Viktor|Wanda|Xin|Yusuf|Zoe|Anders|Beatriz|Callum|Daria|Emeka|Freya|Goran|Hana|Ivan|Jade|"
    "Kofi|Leila|Marek|Nils|Oksana|Pedro|Ruth|Sven|Tara|Urs|Vera|Wen|Yara|Zane",
    "place": "Lisbon|Nairobi|Osaka|Leeds|Tallinn|Quito|Hanoi|Kraków|Montréal|Perth|Porto|Lagos|Gdańsk|Austin|Bergen|Pune|"
    "Cork|Valencia|Graz|Utrecht|Izmir|Cebu|Denver|Malmö|Accra|Bristol|Lyon|Turin|Busan|Rosario",
    "company": "Northwell Freight|Bluefin Retail|Harrow & Pike|Calder Energy|Mistral Foods|Orchard Health|Tessel Labs|"
    "Quarry Street Bank|Lumen Travel|Ostrava Steel|Pinecrest Homes|Vela Media|Kestrel Insurance|Sable Legal|"
    "Fjordline|Aurum Credit|Dovetail Furniture|Greenmarch Farms|Helio Grid|Ivory Coast Coffee|Juniper Schools|"
    "Larkspur Hotels|Meridian Parts|Novella Books|Opal Dental|Palisade Security|Riverbend Clinics|Summit Outdoor",
    "n": "2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|24|25|26|27|28|30|32|33|35|36|38|40|42|45|48|50|54|56|"
    "60|63|64|66|70|72|75|77|80|81|84|88|90|95|96|98|99|105|110|120|125|128|130|135|140|144|150|160|175|180|192",
    "big": "1,250|2,400|3,600|4,096|5,120|7,500|8,192|9,800|12,000|15,360|18,500|20,000|24,750|30,000|36,000|42,500|50,000|"
    "64,000|75,000|81,250|96,000|100,000|125,000|150,000|250,000|480,000|1 million|2.5 million",
    "lang": "Python|TypeScript|Go|Rust|Java|C#|Kotlin|Ruby|C++|PHP|Swift|Scala|Bash|SQL|Elixir|JavaScript",
    "lib": "pandas|numpy|FastAPI|React|Django|Spring Boot|Express|PyTorch|asyncio|Tokio|gRPC|SQLAlchemy|Flask|Next.js|"
    "Terraform|Kubernetes|Redis|Kafka|Postgres|SQLite|Airflow|Pydantic|Vue|Rails|Hibernate|Celery|Docker",
    "ident": "parse_rows|load_config|fetch_user|merge_ranges|build_index|retry_call|flatten|sync_orders|score_items|to_csv|"
    "read_chunks|dedupe|group_by_day|sign_token|render_table|walk_tree|find_path|split_batches|encode_id|purge_cache|"
    "apply_patch|count_words|lru_get|topo_sort|resize_image|send_mail|hash_file|validate_iban|roll_dice|normalise",
    "var": "items|rows|result|user_id|config|payload|cursor|total|index|buffer|node|left|right|key|value|count|path|queue",
    "err": "KeyError: 'id'|IndexError: list index out of range|TypeError: unsupported operand type(s)|segmentation fault|"
    "null pointer exception|ECONNREFUSED 127.0.0.1:5432|deadlock detected|CORS policy error|borrow of moved value|"
    "cannot read properties of undefined|permission denied (publickey)|out of memory|assertion failed|"
    "unexpected token '<'|module not found|SSL certificate verify failed|RecursionError: maximum recursion depth|"
    "undefined reference to `main'|invalid literal for int()|stale element reference|too many open files",
    "format": "JSON|a table|bullet points|YAML|one paragraph|CSV|markdown|a numbered list|plain text|XML|two sentences",
    "tone": "friendly|formal|neutral|enthusiastic|concise|apologetic|confident|warm|dry|playful|professional|plain",
    "genre": "short story|poem|blog post|cover letter|product description|speech|song lyric|email|limerick|review|"
    "newsletter|fairy tale|press release|dialogue|haiku|eulogy|toast|tweet thread|screenplay scene|obituary",
    "subject": "the tides|compound interest|the French Revolution|photosynthesis|black holes|supply chains|vaccines|inflation|"
    "the Silk Road|neural networks|plate tectonics|the Ottoman Empire|game theory|jazz|espresso|sourdough|"
    "stoicism|DNA replication|wind power|the gold standard|Bayes' theorem|glaciers|the printing press|migraine|"
    "bird migration|the Cold War|superconductors|chess openings|beekeeping|blockchain|soil erosion|sleep cycles|"
    "contract law|the Bauhaus|option pricing|volcanoes|quantum tunnelling|the Inca|urban planning|antibiotics",
    "food": "lentils|a chicken|three eggs|leftover rice|courgettes|tofu|a tin of tomatoes|salmon|oats|mushrooms|chickpeas",
    "tool": "search_web|read_file|run_shell|edit_file|list_dir|query_db|send_email|open_page|create_ticket|get_weather|"
    "book_flight|update_order|lookup_user|run_tests|git_diff|fetch_url|calendar_add|get_balance|cancel_booking",
    "service": "billing|checkout|search|auth|inventory|notifications|reporting|gateway|scheduler|profile|payments|media",
    "path": "src/app/main|lib/core/queue|pkg/api/server|internal/store/db|tests/test_orders|web/components/Cart|"
    "services/billing/tax|cmd/worker/run|app/models/user|scripts/migrate|src/parser/lexer|engine/render/mesh",
    "ext": "py|ts|go|rs|java|rb|tsx|kt|cs|php",
    "sport": "football|tennis|running|climbing|rowing|chess|cycling|swimming|judo|yoga|badminton|handball",
    "lang_to": "Spanish|German|French|Japanese|Portuguese|Polish|Turkish|Korean|Italian|Hindi|Arabic|Vietnamese|Dutch",
    "hi": "||||||||||hi, |hello! |hey, |Good morning. |Hi there, |quick question: |ok so |sorry to bother you, |Hey team, |um ",
    "bye": "||||||||| Thanks!| thanks| Thank you in advance.| Please be brief.| No preamble.| Explain your steps.| ty|"
    " Keep it short.| I am a beginner.| Use simple words.| Answer directly.| Cheers| Any help is welcome.",
}

CODE_TASKS = (
    "{cverb} {cobj} {chow}|reads {cobj} from {csrc} and {cverb2} it|takes {cobj} and returns {cout}|"
    "{cverb} {cobj} using {lib}|wraps {lib} so that {cobj} can be retried {chow}|"
    "converts {cobj} into {format} {chow}|computes {cout} for {cobj}"
)

CODE_WORDS: dict[str, str] = {
    "cverb": "sorts|merges|validates|streams|caches|splits|deduplicates|compresses|parses|diffs|paginates|encrypts|indexes|"
    "batches|samples|throttles|flattens|groups|traverses|serialises",
    "cverb2": "cleans|uploads|summarises|prints|stores|checks|groups|renames|archives|plots",
    "cobj": "a list of intervals|nested dictionaries|large log files|a stream of events|binary search trees|CSV exports|"
    "image thumbnails|overlapping date ranges|a directed graph|user sessions|JSON lines|sparse matrices|"
    "webhook payloads|a sliding window of prices|email addresses|SQL result sets|time series with gaps|"
    "multi-part uploads|a priority queue|roman numerals|IPv4 prefixes|markdown headings|a trie of words|config files",
    "csrc": "an S3 bucket|stdin|a websocket|a REST endpoint|a Postgres table|a zip archive|a message queue|disk",
    "chow": "in linear time|without extra memory|concurrently|with exponential backoff|lazily|in constant space|"
    "while keeping the order|with type hints|and handles empty input|in a thread-safe way|incrementally|"
    "and stops on the first error|with a progress bar|and logs every failure",
    "cout": "the longest run|the k most frequent keys|a balanced tree|the shortest path|the median|all permutations|"
    "a checksum|the running average|the first duplicate|the minimum cost|every cycle|a set of conflicts",
}

FOREIGN: dict[str, str] = {
    "es": "¿Puedes explicarme {es_t} {es_h}?|Escribe un texto breve sobre {es_t} {es_h}.|Necesito ayuda con {es_t}; {es_h}.|"
    "Hazme un resumen de {es_t} {es_h}, por favor.|¿Cuál es la diferencia entre {es_t} y {es_t}?|"
    "Traduce al inglés: {es_t} {es_h}.|Dame cinco ideas para {es_t} {es_h}.",
    "es_t": "la factura del mes pasado|el contrato de alquiler|la fotosíntesis|mi currículum|la guerra civil|una receta de lentejas|"
    "el informe trimestral|las ecuaciones lineales|un viaje a Lisboa|la declaración de impuestos|el código en Python|"
    "una carta de presentación|el plan de entrenamiento|la inflación|los verbos irregulares|la base de datos de clientes",
    "es_h": "con palabras sencillas|para una niña de diez años|en menos de cien palabras|paso a paso|con ejemplos|en tono formal|"
    "para mañana|sin tecnicismos|que suene natural|con una tabla|en tres párrafos",
    "fr": "Peux-tu m'expliquer {fr_t} {fr_h} ?|Rédige un court texte sur {fr_t} {fr_h}.|J'ai besoin d'aide pour {fr_t}, {fr_h}.|"
    "Fais un résumé de {fr_t} {fr_h}.|Quelle est la différence entre {fr_t} et {fr_t} ?|Corrige ce passage : {fr_t} {fr_h}.",
    "fr_t": "la lettre de motivation|le bail de mon appartement|la Révolution française|le théorème de Pythagore|une quiche aux poireaux|"
    "le rapport annuel|la dérivée d'une fonction|un voyage en Bretagne|la facture d'électricité|le script de sauvegarde|"
    "le cours de chimie|la réunion de lundi|les accords du participe|un site de vente en ligne",
    "fr_h": "avec des mots simples|en moins de cent mots|étape par étape|avec des exemples|sur un ton formel|pour demain matin|"
    "sans jargon|de façon naturelle|sous forme de tableau|en trois paragraphes",
    "de": "Kannst du mir {de_t} {de_h} erklären?|Schreibe einen kurzen Text über {de_t}, {de_h}.|Ich brauche Hilfe bei {de_t}, {de_h}.|"
    "Fasse {de_t} {de_h} zusammen.|Was ist der Unterschied zwischen {de_t} und {de_t}?|Verbessere bitte: {de_t}, {de_h}.",
    "de_t": "den Mietvertrag|die Steuererklärung|die Photosynthese|das Bewerbungsschreiben|den Quartalsbericht|ein Linsengericht|"
    "die Wellengleichung|eine Reise nach Porto|die Stromrechnung|das Backup-Skript|die Lagerliste|den Trainingsplan|"
    "die Weimarer Republik|die Datenbankabfrage|das Protokoll vom Montag",
    "de_h": "in einfachen Worten|in höchstens hundert Wörtern|Schritt für Schritt|mit Beispielen|förmlich|bis morgen früh|"
    "ohne Fachbegriffe|als Tabelle|in drei Absätzen|für einen Laien",
    "pt": "Pode explicar {pt_t} {pt_h}?|Escreva um texto curto sobre {pt_t} {pt_h}.|Preciso de ajuda com {pt_t}, {pt_h}.|"
    "Faça um resumo de {pt_t} {pt_h}.|Qual a diferença entre {pt_t} e {pt_t}?",
    "pt_t": "o contrato de aluguel|a nota fiscal|a fotossíntese|meu currículo|o relatório do trimestre|uma receita de feijão|"
    "equações do segundo grau|uma viagem ao Porto|o imposto de renda|o script de backup|a planilha de vendas|a inflação",
    "pt_h": "com palavras simples|em menos de cem palavras|passo a passo|com exemplos|em tom formal|para amanhã|sem jargão|"
    "em forma de tabela|em três parágrafos",
    "zh": "请用{zh_h}解释{zh_t}。|帮我写一段关于{zh_t}的文字,{zh_h}。|请{zh_h}总结{zh_t}。|{zh_t}和{zh_t}有什么区别?请{zh_h}说明。",
    "zh_t": "租房合同|光合作用|季度报告|求职信|二次方程|数据库查询|旅行计划|通货膨胀|客户投诉|备份脚本|法国大革命|供应链",
    "zh_h": "简单的语言|不超过一百字|一步一步|举例子|正式的语气|表格的形式|三段话|通俗易懂的方式",
}
