"""How the briefs of the planner's training are worded; those of dev are a part of it that training does not see."""
from planner_briefs import Wording

REVENUE, OPERATING, NET, GROSS = ("revenue",), ("operating income",), ("net income",), ("gross profit",)
FIGURES = {
    "revenue": REVENUE, "revenues": REVENUE, "sales": REVENUE, "total sales": REVENUE, "net sales": REVENUE, "growth": REVENUE,
    "sales growth": REVENUE, "turnover": REVENUE, "the top line": REVENUE, "the size of the business": REVENUE,
    "operating income": OPERATING, "operating profit": OPERATING, "operating results": OPERATING,
    "profit from operations": OPERATING, "the operating margin": OPERATING,
    "net income": NET, "net profit": NET, "earnings": NET, "the bottom line": NET, "profit after tax": NET, "net earnings": NET,
    "profitability": OPERATING + NET, "profits": OPERATING + NET, "profit": OPERATING + NET,
    "growth and profitability": REVENUE + OPERATING + NET,
    "gross profit": GROSS, "gross margins": GROSS, "the gross margin": GROSS,
    "membership fees": ("membership fees",), "memberships": ("membership fees",), "membership income": ("membership fees",),
    "income from members": ("membership fees",), "fees of members": ("membership fees",),
    "advertising expense": ("advertising expense",), "advertising costs": ("advertising expense",),
    "spending on advertising": ("advertising expense",), "ad spending": ("advertising expense",), "media spending": ("advertising expense",),
    "marketing and sales expense": ("marketing and sales expense",), "marketing spending": ("marketing and sales expense",),
    "the marketing budget": ("marketing and sales expense",), "the cost of marketing and sales": ("marketing and sales expense",),
    "spending on marketing": ("marketing and sales expense",),
    "research and development expense": ("research and development expense",), "research spending": ("research and development expense",),
    "R&D": ("research and development expense",), "spending on research": ("research and development expense",),
    "development costs": ("research and development expense",),
    "advertising revenues": ("advertising revenues",), "the advertising business": ("advertising revenues",),
    "ad sales": ("advertising revenues",), "income from advertising": ("advertising revenues",), "revenue from ads": ("advertising revenues",),
    "selling, general and administrative expenses": ("selling, general and administrative expenses",),
    "administrative costs": ("selling, general and administrative expenses",), "overhead": ("selling, general and administrative expenses",),
    "SG&A": ("selling, general and administrative expenses",),
    "cost of sales": ("cost of sales",), "product costs": ("cost of sales",), "the cost of goods sold": ("cost of sales",),
    "what goods cost": ("cost of sales",),
    "cloud services revenues": ("cloud services revenues",), "the cloud business": ("cloud services revenues",),
    "cloud revenues": ("cloud services revenues",), "cloud subscriptions": ("cloud services revenues",),
    "third-party seller services": ("third-party seller services",), "seller services": ("third-party seller services",),
    "services for sellers": ("third-party seller services",), "fees from sellers": ("third-party seller services",),
    "gross merchandise volume": ("gross merchandise volume",), "merchandise volume": ("gross merchandise volume",), "GMV": ("gross merchandise volume",),
    "active buyers": ("active buyers",), "the number of buyers": ("active buyers",), "buyers": ("active buyers",), "buyer numbers": ("active buyers",),
    "operating cash flow": ("operating cash flow",), "cash flow": ("operating cash flow",), "cash from operations": ("operating cash flow",),
    "cash flows": ("operating cash flow",),
    "total assets": ("total assets",), "assets": ("total assets",), "the balance sheet": ("total assets",),
}

TOPICS = [
    "{S} of {C}", "{S} at {C}", "{S} of {C}", "{C}: {S}", "How {S} developed at {C}", "Compare {C} on {S}", "{C} compared by {S}", "A look at {S} of {C}",
    "{S} for {C} as background for a pitch", "What {C} report about {S}", "Research {S} of {C} for the sales team", "{S} of the companies we supply",
    "{S} in our market", "A table of {S}, one line for each of {C}", "Development of {S} at {C} over the last years", "Facts about {S} at {C}",
    "{S} of {C} as input for a price talk", "Which of {C} does best on {S}", "Trends of {S} among {C}", "Numbers for a talk about {C}: {S}",
    "{S} of {C} in {Y}", "{S} at {C} for fiscal {Y}", "{C} in {Y}: {S}", "{S} of {C} in {Y} compared with {P}", "How {S} of {C} looked in fiscal year {Y}",
    "The year {Y} at {C}, with a focus on {S}", "{Y} {S} of {C}", "{S} for {Y} against {P} at {C}", "Results of {Y}: {S} of {C}",
    "{S} of {C} in {Y}, and {T} in {Z}", "{S} in {Y} and {T} in {Z} at {C}", "{C}: {S} for {Y}; {T} for {Z}",
    "{S} of {C}, and {T} of {D}", "{S} of {C}, with {T} for {D} only", "{S} at {C}; {T} only at {D}", "{C}: {S}, plus {T} of {D}",
    "How {C} differ in {S}, and what {D} says of {T}", "{S} of {C} and, for {D} alone, {T}", "{S} of {C} in {Y}, plus {T} of {D}",
    "{S} of {C}; {T} of all but {E}", "{S} of {C}, and {T} except for {E}", "{S} at {C}; no need for {T} of {E}", "{C}: {S}, with {T} of everyone except {E}",
    "{S} of {C}, but no {X}", "{S} of {C} without {X}", "{S} of {C}; leave out {X}", "{S}, not {X}, of {C}", "{C} by {S}; {X} does not matter",
    "{S} of {C}, apart from {X}", "{S} rather than {X} at {C}", "{S} of {C} in {Y}, no {X}", "Everything on {S} of {C}, nothing on {X}",
    "A short profile of {C}", "{C} at a glance", "Where {C} stand today", "{C} as customers of a packaging maker", "The position of {C}", "An overview of {C} for new staff",
    "Background on {C}", "How {C} are doing", "Meeting next week with {C}", "{C} as partners for a joint campaign", "What to know about {C} before a call",
    "A profile of {C} without {X}", "Where {C} stand, leaving out {X}", "Background on {C}, but no {X}",
]

COMPANIES = [
    "Nestle", "Unilever", "Danone", "PepsiCo", "Target", "Kroger", "Best Buy", "Home Depot", "Tesco", "Carrefour", "Adobe", "SAP", "ServiceNow", "Intuit", "Etsy", "Zalando",
    "Rakuten", "Mercado Libre", "Campbell", "Kellanova", "Mars", "Ferrero", "Lindt", "Heineken", "Diageo", "Nike", "Adidas", "Puma", "Ford", "Toyota", "Volvo", "Siemens",
    "Bosch", "Philips", "Sony", "Nintendo", "Spotify", "Netflix", "Pfizer", "Bayer", "Roche", "Harbour Lines", "Blue Fjord", "Oakfield Foods", "Tern & Co", "Marlow Retail",
    "North Pier", "Cedar Software", "Quill Data", "Hallam Stores", "Vesta", "Brightwater", "Dunmore Group", "Larkspur", "Osprey Air", "Pelican Pay", "Redwood Home", "Sable",
]

QUESTIONS = [
    "How many stores does {c} run?", "Which risks does {c} name?", "What does {c} say about prices?", "Who are the main competitors?", "How fast do online sales grow?",
    "Which brands grew?", "What drove the margin?", "How many people does {c} employ?", "Which countries matter most?", "What is new in the loyalty programme of {c}?",
    "How do {c} and {d} differ in delivery?", "What do {c} and {d} say about inflation?", "Which acquisitions were made?", "How large is the dividend?",
    "What does the newest quarter show?", "What share of sales is private label?", "Which products were launched?", "How are customers won?", "Who leads {c}?",
    "What does {c} plan for next year?", "Where are the factories?", "How does {c} use data?", "Which segments shrink?", "What do analysts ask?",
    "Are there lawsuits against {c}?", "How important are holidays for sales?", "What does {c} spend on technology?", "How is the supply chain changing?",
]


def table(parts, figures, others=()):
    """`figures`: label -> further phrases that mean it."""
    phrases = {}
    for label, more in figures.items():
        for phrase in (label[0].lower() + label[1:] if label[1:2].islower() else label, *more):
            phrases[phrase] = (label,)
    return {"parts": parts, "figures": phrases, "labels": [*figures, *others]}


TABLES = [
    table(["East", "Centre", "Coast", "Hills"], {"Orders": ["the number of orders"], "Order value": [], "Returns": ["returned goods"], "Shipping cost": ["the cost of shipping"]}),
    table(["Bikes", "Helmets", "Lights", "Locks", "Pumps"], {"Units": ["units sold"], "Turnover": [], "Discounts": ["price cuts"], "Stock": ["goods in stock"], "Margin": []}),
    table(["Clinic A", "Clinic B", "Clinic C"], {"Visits": ["patient visits"], "Staff hours": ["hours of staff"], "Cost of drugs": ["drug costs"], "Waiting time": ["how long patients wait"]}),
    table(["Lisbon", "Porto", "Madrid", "Sevilla"], {"Nights": ["nights booked"], "Room revenue": ["revenue of rooms"], "Occupancy": ["how full the rooms are"], "Complaints": []}),
    table(["Paper", "Web", "App"], {"Subscribers": ["the number of subscribers"], "Subscription income": [], "Advertising income": ["income from ads"], "Print cost": ["the cost of printing"], "Reach": []}),
    table(["Line 1", "Line 2", "Line 3"], {"Output": ["parts made"], "Scrap": ["scrapped parts"], "Downtime": ["hours of downtime"], "Energy use": ["energy"], "Maintenance cost": []}),
    table(["Nestle", "Tesco", "Sony", "Bosch", "Nike"], {"Revenue": ["sales", "growth"], "Operating income": ["operating profit"], "Net income": ["earnings"], "Advertising expense": ["advertising"]}),
    table(["Wheat", "Maize", "Barley"], {"Area": ["acres sown"], "Yield": [], "Price": ["prices"], "Exports": ["exported grain"], "Rainfall": ["rain"]}),
]

# Every seventh topic, every fifth company and question and the last two tables are dev's.
TRAIN = Wording([t for i, t in enumerate(TOPICS) if i % 7 != 3], FIGURES, [c for i, c in enumerate(COMPANIES) if i % 5 != 4],
                [q for i, q in enumerate(QUESTIONS) if i % 5 != 4], TABLES[:-2])
DEV = Wording(TOPICS[3::7], FIGURES, COMPANIES[4::5], QUESTIONS[4::5], TABLES[-2:])
