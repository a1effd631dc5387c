#include "doctor/report.h"

#include "gmock/gmock.h"

namespace offload::doctor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Entry kProblem = {.level = Level::kProblem,
                        .check = "switchdev",
                        .subject = "p0",
                        .text = "the eswitch is in mode legacy",
                        .advice = "devlink dev eswitch set pci/0000:03:00.0 mode switchdev"};
const Entry kWarning = {.level = Level::kWarning,
                        .check = "tc-listeners",
                        .subject = "host",
                        .text = "systemd-networkd listens to every rule",
                        .advice = "ManageForeignRoutes\nand restart it"};
const Entry kOk = {
    .level = Level::kOk, .check = "probe", .subject = "p0 > p1", .text = "taken", .advice = ""};

TEST(ReportTest, ProblemsFirstAndAdviceOnItsOwnLine) {
  EXPECT_EQ(Report({kOk, kWarning, kProblem, kOk}, Color::kNo),
            "problem  switchdev     p0       the eswitch is in mode legacy\n"
            "         advice: devlink dev eswitch set pci/0000:03:00.0 mode switchdev\n"
            "warning  tc-listeners  host     systemd-networkd listens to every rule\n"
            "         advice: ManageForeignRoutes\n"
            "         and restart it\n"
            "ok       probe         p0 > p1  taken\n"
            "ok       probe         p0 > p1  taken\n"
            "\n"
            "1 problem, 1 warning, 2 ok\n");
}

TEST(ReportTest, EntriesOfALevelKeepTheirOrder) {
  Entry second = kOk;
  second.subject = "a0";
  const std::string report = Report({kOk, second}, Color::kNo);
  EXPECT_LT(report.find("p0 > p1"), report.find("a0"));
}

TEST(ReportTest, NothingFoundIsSaid) {
  EXPECT_EQ(Report({}, Color::kNo), "0 problems, 0 warnings, 0 ok: nothing was examined\n");
}

TEST(ReportTest, ColorsTheLevelAndNothingElse) {
  const std::string report = Report({kProblem, kWarning, kOk}, Color::kYes);
  EXPECT_THAT(report, HasSubstr("\033[1;31mproblem\033[0m  switchdev"));
  EXPECT_THAT(report, HasSubstr("\033[33mwarning\033[0m  tc-listeners"));
  EXPECT_THAT(report, HasSubstr("\033[32mok\033[0m       probe"));
  EXPECT_THAT(Report({kProblem, kWarning, kOk}, Color::kNo), Not(HasSubstr("\033")));
}

// A netdev may be called ESC]0;... : the terminal must not obey it.
TEST(ReportTest, ControlCharactersOfFindingsDoNotReachTheTerminal) {
  const Entry hostile = {.level = Level::kOk,
                         .check = "a\tb",
                         .subject = "\033]0;x\007",
                         .text = "t\r\x7f",
                         .advice = "\033[2J"};
  for (const std::string& text : {Report({hostile}, Color::kNo), Line(hostile)}) {
    EXPECT_EQ(text.find_first_of("\033\007\r\t\x7f"), std::string::npos) << text;
    EXPECT_THAT(text, HasSubstr("?]0;x?"));
  }
}

TEST(ReportTest, ALineForTheLogIsOneLine) {
  EXPECT_EQ(Line(kOk), "probe: p0 > p1: taken");
  EXPECT_EQ(Line(kWarning),
            "tc-listeners: host: systemd-networkd listens to every rule (advice: "
            "ManageForeignRoutes and restart it)");
}

TEST(ReportTest, OnlyAProblemIsAFailure) {
  EXPECT_EQ(ExitStatus({}), 0);
  EXPECT_EQ(ExitStatus({kOk, kWarning}), 0);
  EXPECT_EQ(ExitStatus({kOk, kProblem}), 1);
}

TEST(ReportTest, WordsOfLevels) {
  EXPECT_STREQ(Word(Level::kOk), "ok");
  EXPECT_STREQ(Word(Level::kWarning), "warning");
  EXPECT_STREQ(Word(Level::kProblem), "problem");
}

TEST(ReportTest, ColorNeedsATerminalThatHasIt) {
  EXPECT_EQ(ChooseColor(true, nullptr, "xterm"), Color::kYes);
  EXPECT_EQ(ChooseColor(false, nullptr, "xterm"), Color::kNo);
  EXPECT_EQ(ChooseColor(true, nullptr, "dumb"), Color::kNo);
  EXPECT_EQ(ChooseColor(true, nullptr, nullptr), Color::kNo);
}

// no-color.org: "when present and not an empty string (regardless of its value)".
TEST(ReportTest, NoColorIsRespected) {
  EXPECT_EQ(ChooseColor(true, "1", "xterm"), Color::kNo);
  EXPECT_EQ(ChooseColor(true, "0", "xterm"), Color::kNo);
  EXPECT_EQ(ChooseColor(true, "", "xterm"), Color::kYes);
}

}  // namespace
}  // namespace offload::doctor
