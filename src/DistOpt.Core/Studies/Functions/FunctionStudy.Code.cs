using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies.Functions;

/// <summary>Which code the trials of a study run, so that one that goes on with another one says so.</summary>
public sealed partial class FunctionStudy
{
    /// <summary>
    /// Identity of a function's code: the name and the module version id of the assembly that it is in, which a deterministic compiler derives from the source.
    /// What it calls in other assemblies is not looked at. Null = it has none, since it was made at run time.
    /// </summary>
    public static string? CodeOf(Delegate function)
    {
        ArgumentNullException.ThrowIfNull(function);
        var assembly = function.Method.Module.Assembly;
        return assembly.IsDynamic ? null : $"{assembly.GetName().Name} {assembly.ManifestModule.ModuleVersionId:N}";
    }

    /// <summary>Under the lock, before it is run: a study with a journal knows the code of what ran before, also in other processes.</summary>
    private void Use(Delegate function)
    {
        if (_setup.Code is not null || _journal is NoStudyJournal || _engine.End is not null || CodeOf(function) is not { } code) return;
        Demand(code);
        _engine.UseCode(code);
        NoteCode();
    }

    /// <summary>Before anything happens: whether a study that goes on may do so with this code.</summary>
    private void Demand(string? code)
    {
        if (_setup.AcceptsNewCode || code is null || _engine.Code is not { } before || before == code) return;
        throw new SpecException("code", $"is {code}, but trials of the study ran {before}; set {nameof(FunctionStudyOptions.AcceptNewCode)} to go on with the new code, "
            + "which the trials that run it then note, or go on with the program as it was");
    }

    private void NoteCode()
    {
        _engine.NoteCode();
        _engine.AcceptCode(null);
    }
}
