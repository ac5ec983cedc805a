#!/usr/bin/env python3
"""Writes ../data/*.csv.

synthetic_monthly_sales.csv is invented: a trend, a season, one lost customer and one price change, drawn with a fixed seed.
public_company_years.csv restates public figures of eight companies from the other example's list of filing rows.
"""
import csv
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(HERE), "data")
FILINGS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "competitive-intelligence", "evals")

REGIONS = {"North": 1.0, "South": 0.72, "West": 1.25}
PRODUCTS = {  # name: (units in the first month, unit price in USD, growth a month, season)
    "Trail bar": (5200, 2.40, 0.006, [0.86, 0.88, 0.95, 1.02, 1.10, 1.16, 1.18, 1.14, 1.05, 0.97, 0.88, 0.81]),
    "Oat drink": (3100, 3.10, 0.017, [1.00] * 12),
    "Soup kit": (4300, 4.20, -0.005, [1.28, 1.22, 1.10, 0.96, 0.86, 0.78, 0.74, 0.78, 0.90, 1.02, 1.14, 1.22]),
}


def synthetic(path):
    rng = random.Random(4711)
    with open(path, "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(["Month", "Region", "Product", "Units (count)", "Revenue (USD)", "Marketing (USD)", "Returns (count)"])
        for m in range(36):
            year, month = 2021 + m // 12, m % 12
            for region, size in REGIONS.items():
                for product, (base, price, growth, season) in PRODUCTS.items():
                    units = base * size * (1 + growth) ** m * season[month] * rng.uniform(0.95, 1.05)
                    if product == "Soup kit" and region == "South" and m >= 20:
                        units *= 0.55  # a large customer left in September 2022
                    unit_price = price * (1.08 if product == "Trail bar" and m >= 15 else 1.0)  # dearer from April 2022
                    units = round(units)
                    marketing = round(units * unit_price * rng.uniform(0.05, 0.09), -1)
                    returns = round(units * rng.uniform(0.008, 0.02))
                    w.writerow([f"{year}-{month + 1:02d}", region, product, units, f"{units * unit_price:.2f}",
                                f"{marketing:.0f}", returns])


def public(path):
    sys.path.insert(0, FILINGS)
    import filings
    rows = filings.load_rows()
    revenue = {"gis": "net_sales", "khc": "net_sales", "wmt": "total_revenues", "cost": "total_revenues", "amzn": "net_sales",
               "ebay": "net_revenues", "crm": "total_revenues", "orcl": "total_revenues"}
    with open(path, "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(["Company", "Fiscal year", "Period end", "Revenue (USD millions)", "Operating income (USD millions)",
                    "Net income (USD millions)", "Source document"])
        for prefix, name in revenue.items():
            r, o, n = rows[f"{prefix}.{name}"], rows[f"{prefix}.operating_profit"], rows[f"{prefix}.net_income"]
            for token in sorted(r.values):
                w.writerow([r.company, token[2:], filings.PERIOD_ENDS[r.company][token]] +
                           [filings.number(x.values[token]) for x in (r, o, n)] + [r.doc])


if __name__ == "__main__":
    synthetic(os.path.join(DATA, "synthetic_monthly_sales.csv"))
    public(os.path.join(DATA, "public_company_years.csv"))
