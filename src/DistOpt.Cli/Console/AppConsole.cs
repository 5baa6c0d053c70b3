using System.Runtime.InteropServices;
using DistOpt.Hosting.Processes;

namespace DistOpt;

/// <summary>
/// Everything the command line takes from its surroundings. <see cref="OfThisProcess"/> is the real one; tests and programs that embed the
/// command line give their own.
/// </summary>
public sealed record AppConsole
{
    public required TextReader In { get; init; }

    /// <summary>Results. Under <c>--format json</c> exactly one JSON document.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Errors, and under <c>--format json</c> progress and logs.</summary>
    public required TextWriter Error { get; init; }

    public bool IsOutputTerminal { get; init; }

    public bool IsErrorTerminal { get; init; }

    /// <summary>Columns of the terminal.</summary>
    public int Width { get; init; } = 120;

    /// <summary>Reads an environment variable.</summary>
    public Func<string, string?> Environment { get; init; } = _ => null;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The folder that holds run directories when <c>--out</c> is not given.</summary>
    public string RunsRoot { get; init; } = Core.Runs.RunDirectory.DefaultRoot;

    /// <summary>The folder that holds study directories when <c>--out</c> is not given.</summary>
    public string StudiesRoot { get; init; } = Core.Studies.StudyDirectory.DefaultRoot;

    /// <summary>Whether text that the program writes to <see cref="System.Console"/> during a run is put into the run's log.</summary>
    public bool CapturesSystemConsole { get; init; }

    /// <summary>No colors: the convention of no-color.org, and terminals that cannot move the cursor.</summary>
    public bool NoColor => !string.IsNullOrEmpty(Environment("NO_COLOR"));

    /// <summary>Whether a display that redraws itself makes sense on this writer.</summary>
    public bool CanRedraw(bool onError) => (onError ? IsErrorTerminal : IsOutputTerminal) && Environment("TERM") != "dumb";

    /// <summary>The console of this process.</summary>
    public static AppConsole OfThisProcess() => new()
    {
        In = System.Console.In,
        Out = System.Console.Out,
        Error = System.Console.Error,
        IsOutputTerminal = !System.Console.IsOutputRedirected,
        IsErrorTerminal = !System.Console.IsErrorRedirected,
        Width = TerminalWidth(),
        Environment = System.Environment.GetEnvironmentVariable,
        CapturesSystemConsole = true,
    };

    /// <summary>
    /// Turns Ctrl-C and SIGTERM into a token: the first asks for a clean end, the second ends the process at once with 130.
    /// </summary>
    /// <remarks>A child process (<c>--processes</c>) leaves signals to its parent, which ends it by closing its standard input.</remarks>
    internal static IDisposable HookInterrupts(CancellationTokenSource interrupt, TextWriter error)
    {
        bool isChild = System.Environment.GetEnvironmentVariable(NodeProcess.ChildVariable) is not null;
        int count = 0;
        void OnSignal(PosixSignalContext context)
        {
            if (isChild)
            {
                context.Cancel = context.Signal == PosixSignal.SIGINT;
                return;
            }
            if (Interlocked.Increment(ref count) > 1) System.Environment.Exit(ExitCode.Interrupted);
            context.Cancel = true;
            error.WriteLine("interrupted: ending cleanly and saving what there is (once more to end at once)");
            interrupt.Cancel();
        }
        return new Hooks(PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal), PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal));
    }

    private static int TerminalWidth()
    {
        if (System.Console.IsOutputRedirected) return 120;
        try
        {
            return Math.Max(40, System.Console.WindowWidth);
        }
        catch (IOException)
        {
            return 120; // a terminal that does not tell its size
        }
    }

    private sealed record Hooks(IDisposable First, IDisposable Second) : IDisposable
    {
        public void Dispose()
        {
            First.Dispose();
            Second.Dispose();
        }
    }
}

/// <summary>Exit codes of the command line (DESIGN section 7).</summary>
public static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int BadInput = 2;
    public const int Downed = 3;
    public const int CouldNotJoin = 4;
    public const int Interrupted = 130;
}
