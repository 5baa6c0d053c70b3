using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt.Cli.Tests.Exchange;

/// <summary>Optuna itself, in the Python of this machine. Where it is missing the tests that want it are skipped with the reason.</summary>
internal static class OptunaPeer
{
    private static readonly Lazy<(string? Python, string? Missing)> s_found = new(Find);

    /// <summary>Runs a script, which prints one JSON document, after the imports that every one has.</summary>
    public static JsonElement Run(string script, params string[] arguments)
    {
        Assert.SkipWhen(s_found.Value.Missing is not null, s_found.Value.Missing ?? "");
        var (code, output, error) = Start(s_found.Value.Python!, $"""
            import json, sys, warnings
            warnings.simplefilter("ignore")
            import optuna
            from optuna.storages import JournalFileStorage, JournalStorage, RDBStorage
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            {script}
            """, arguments);
        Assert.True(code == 0, error);
        using var document = OptunaJson.Parse(output);
        return document.RootElement.Clone();
    }

    private static (string? Python, string? Missing) Find()
    {
        // one in a user's PATH may be without the packages of the system
        foreach (string python in (string[])["python3", "/usr/bin/python3"])
        {
            try
            {
                if (Start(python, "import optuna", []).Code == 0) return (python, null);
            }
            catch (Win32Exception)
            {
                // there is none of this name
            }
        }
        return (null, "Optuna is not installed here (apt-get install python3-optuna): neither python3 nor /usr/bin/python3 has a module optuna");
    }

    private static (int Code, string Output, string Error) Start(string python, string script, string[] arguments)
    {
        var start = new ProcessStartInfo(python, ["-c", script, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
