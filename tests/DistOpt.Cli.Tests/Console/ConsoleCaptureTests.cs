using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;

namespace DistOpt.Cli.Tests.Console;

/// <summary>Serial: the console is one for the process.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class SystemConsoleCollection;

[Collection(typeof(SystemConsoleCollection))]
public sealed class ConsoleCaptureTests
{
    [Fact]
    public void Lines_of_threads_are_not_torn_and_nothing_is_lost()
    {
        var lines = new List<string>();
        using (new ConsoleCapture((source, text) => { lock (lines) lines.Add($"{source}:{text}"); }))
        {
            Thread[] threads = [.. Enumerable.Range(0, 8).Select(t => new Thread(() =>
            {
                for (int i = 0; i < 200; i++)
                {
                    System.Console.Write($"thread {t} ");
                    System.Console.WriteLine($"line {i}");
                }
                System.Console.Error.Write($"rest {t}");
            }))];
            foreach (var thread in threads) thread.Start();
            foreach (var thread in threads) thread.Join();
        }
        string[] expected = [.. Enumerable.Range(0, 8).SelectMany(t => Enumerable.Range(0, 200).Select(i => $"stdout:thread {t} line {i}")), .. Enumerable.Range(0, 8).Select(t => $"stderr:rest {t}")];
        Assert.Equal(expected.Order(StringComparer.Ordinal), lines.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Line_ends_of_both_kinds_empty_lines_and_formatted_writes_are_lines()
    {
        var lines = new List<string>();
        var writer = new ConsoleCapture.LineWriter(lines.Add);
        writer.Write("a\r\nb\n\nc");
        writer.WriteLine();
        writer.WriteLine("{0} and {1}", 1, 2);
        writer.Write('d');
        writer.Complete();
        Assert.Equal(["a", "b", "", "c", "1 and 2", "d"], lines);
    }

    [Fact]
    public void A_line_without_end_does_not_grow_without_bound()
    {
        var lines = new List<string>();
        var writer = new ConsoleCapture.LineWriter(lines.Add);
        for (int i = 0; i < 200; i++) writer.Write(new string('x', 1000));
        writer.Complete();
        Assert.Equal(200_000, lines.Sum(l => l.Length));
        Assert.True(lines.Count >= 3);
    }

    [Fact]
    public async Task What_user_code_writes_during_a_run_reaches_the_log_and_the_screen_also_from_before_the_start()
    {
        using var cli = new CliRun
        {
            CapturesSystemConsole = true,
            Host = new TestHost
            {
                Opening = () => System.Console.WriteLine("opening the data"),
                Middle = _ => System.Console.Error.WriteLine("something odd"),
            },
        };
        Assert.Equal(0, await cli.RunAsync("train"));
        var logs = RunDirectoryReader.Open(cli.RunFolder).Logs().Select(l => (l.Source, l.Level, l.Text));
        Assert.Equal([("distopt", "warning", "this is a test"), ("stdout", "information", "opening the data"), ("stderr", "warning", "something odd")], logs);
        Assert.Contains("opening the data\n", cli.Out);
        Assert.Contains("something odd\n", cli.Out);
        Assert.Equal(0, await cli.RunAsync("logs", cli.RunFolder));
        Assert.Contains("local stdout information: opening the data", cli.Out);
    }
}
