using DistOpt.Core.Training;
using DistOpt.Hosting.Processes;

namespace DistOpt.Hosting.Tests.Processes;

public sealed class LastOutputTests
{
    [Fact]
    public void The_runtimes_report_is_kept_from_its_beginning_and_apart_from_the_last_lines()
    {
        var output = new LastOutput();
        for (int i = 0; i < 50; i++) output.Add(isError: i % 2 == 0, $"line {i}");
        output.Add(isError: true, "Unhandled exception. System.Exception: it is over");
        for (int i = 0; i < 100; i++) output.Add(isError: true, $"   at Frame{i}()");
        output.Add(isError: false, "another thread still writes");

        Assert.Equal([.. Enumerable.Range(31, LastLines.Kept - 1).Select(i => $"line {i}"), "another thread still writes"], output.Lines);
        string[] report = output.Report!.Split(Environment.NewLine);
        Assert.Equal(LastOutput.ReportLinesMax, report.Length);
        Assert.Equal(["Unhandled exception. System.Exception: it is over", "   at Frame0()"], report[..2]);
    }

    [Fact]
    public void Without_a_report_there_are_only_lines()
    {
        var output = new LastOutput();
        output.Add(isError: false, "Process terminated. says user code");
        output.Add(isError: true, new string('x', 2 * LastLines.CharactersMax));

        Assert.Null(output.Report);
        Assert.Equal(2, output.Lines.Count);
        Assert.InRange(output.Lines[1].Length, LastLines.CharactersMax, LastLines.CharactersMax + 3);
    }

    [Theory]
    [InlineData(0, "exit code 0")]
    [InlineData(1, "exit code 1")]
    [InlineData(134, "exit code 134 (SIGABRT)")]
    [InlineData(137, "exit code 137 (SIGKILL)")]
    [InlineData(139, "exit code 139 (SIGSEGV)")]
    [InlineData(255, "exit code 255")]
    public void An_exit_code_names_the_signal(int exitCode, string expected)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no signals");

        Assert.Equal(expected, ExitStatus.Describe(exitCode));
    }
}
