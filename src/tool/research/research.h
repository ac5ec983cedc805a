// Research tools: the deterministic steps between a planner, an analyzer and a writer.
//
// A model decides (which subjects, which row, which words); these functions offer it a short menu, check
// what it chose, do the arithmetic, and draw the frame in which it may write. Values in and out are JSON;
// the shapes are in schemas.cc and docs/formats/report.md. Pure but for `page_text`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "contract/json.h"
#include "memory/memory.h"

namespace consort::tool {

// The extracted text of a page, for quotes. Memory::page_text fits.
using PageText = std::function<Result<std::string>(const std::string& doc, std::optional<int> page)>;

// {brief, measures?} -> {subjects, figures, questions, companies, periods}: what a table measures (rows of one label
// each), or figures that annual reports print, nearest to the brief first and at most eight; the brief's own questions;
// "latest" and the years that the topic names. What a plan may name; subjects are figures and questions together.
Result<contract::Value> plan_menu(const contract::Value& input);

// {brief, menu, plan, costs?} -> {tasks, cost_ms, notes}: one task a company of each step, without duplicates and names
// that the brief lacks, with the tool that fits; the menu's first three figures added, every figure asked for all companies
// (or it cannot be compared), every question of every company. At most kTasksMax tasks; what had to go is named in notes.
Result<contract::Value> check_plan(const contract::Value& input);
inline constexpr size_t kTasksMax = 24;

// {task} -> what its question asks for, read by rule: row words, periods, computation (question.h).
Result<contract::Value> read_task(const contract::Value& input);

// {task, wanted?, rows?, passages?, second?} -> {kind, items: [{n, text, key}]}: at most six lettered candidates for
// the analyzer, rows before sentences; with `second`, rows of the second line that is wanted.
Result<contract::Value> finding_options(const contract::Value& input);

// {task, wanted?, options, choice?, series?, second_options?, second_series?} -> Finding. Change on the year before and
// shares are computed exactly from two printed figures.
Result<contract::Value> make_finding(const contract::Value& input, const PageText& page_text);

// {findings, previous?, critique?} -> {items: [{id, finding, facts, frame, issues, last}]}: what is to be written (again),
// each with its facts on a line and the pattern that its sentence must match: a free one at first, a strict one when the
// sentence was criticised.
Result<contract::Value> writing_tasks(const contract::Value& input);

// {brief, findings, tasks, texts, previous?, critique?} -> Report: claims with their citations, numbered
// sources, a comparison table, charts, and what was not found. texts[i] belongs to tasks.items[i]; other
// claims are kept from `previous` word for word.
Result<contract::Value> assemble_report(const contract::Value& input);

// {report, rules, support} -> {ok, issues, checked, support}: the rules' issues, and a claim that neither the
// judge (p >= 0.5), nor its words, nor verified figures support.
Result<contract::Value> verdict(const contract::Value& input);

// {report, verdict} -> Report without the claims that have issues, which are listed as dropped.
Result<contract::Value> drop_claims(const contract::Value& input);

// "$611.3 billion", "5.2%", "$4.40 per share": an exact decimal in base units, for a sentence.
std::string format_amount(const std::string& decimal, const std::string& unit);
// "the fiscal year ended January 31, 2023"; falls back to the column's header.
std::string format_period(const std::string& period_end, const std::string& period_kind,
                          const std::string& column_label);
// "Total revenues" -> "total revenues", "NET INCOME ATTRIBUTABLE TO COSTCO" -> "net income attributable to Costco", but
// "R&D expense" and "GMV" stay.
std::string label_in_sentence(std::string label, const std::string& company);
// "WALMART_2023_10K" of Walmart -> "Walmart 2023 10-K": a document's file name, for people.
std::string document_title(const std::string& doc, const std::string& company);
// `text` with every character that means something in a pattern escaped.
std::string escape_pattern(const std::string& text);

struct ResearchTool {
  std::string name, description;
  std::string input, output;  // JSON Schema text.
  bool needs_memory = false;
  std::function<Result<contract::Value>(const contract::Value&, const PageText&)> function;
};
const std::vector<ResearchTool>& research_tools();

}  // namespace consort::tool
