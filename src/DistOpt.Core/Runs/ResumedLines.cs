using System.Text;
using System.Text.Json;
using DistOpt.Core.Training;

namespace DistOpt.Core.Runs;

/// <summary>Files of lines that a run goes on writing: what does not belong to it any more is taken out first.</summary>
internal static class ResumedLines
{
    /// <summary>Whether a row belongs to the course up to where the run goes on.</summary>
    public static bool IsBefore(RunResumed resumed, MetricRow row) => row.Split switch
    {
        DataSplit.Train => row.Step <= resumed.TrainRows,
        DataSplit.Validation => row.Step <= resumed.ValidationRows,
        _ => false,
    };

    /// <summary>Rewrites the file with the whole lines that are kept; a torn last line and damaged ones go.</summary>
    public static void Keep(string path, Func<string, bool> isKept)
    {
        if (!File.Exists(path)) return;
        var kept = new StringBuilder();
        string text = File.ReadAllText(path);
        int begin = 0;
        for (int end; (end = text.IndexOf('\n', begin)) >= 0; begin = end + 1)
        {
            string line = text[begin..end];
            if (IsKept(line, isKept)) kept.Append(line).Append('\n');
        }
        AtomicFile.Write(path, Encoding.UTF8.GetBytes(kept.ToString()));
    }

    private static bool IsKept(string line, Func<string, bool> isKept)
    {
        try
        {
            return line.Length > 0 && isKept(line);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return false; // torn by the end of the process that wrote it; it is written again
        }
    }
}
